// The one error of this room: which rule was broken, where, what would be right, and for a
// schedule the rank × step grid around the first bad action.

/// Why a schedule cannot be made, read or run.
package struct ScheduleError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The rule that was broken.
  package enum Rule: String, Hashable, Sendable {
    case name = "schedule name"
    case shape = "ranks and micro-batches"
    case text = "text form"
    case size = "size limit"
    case completeness
    case placement
    case order
    case communication
    case deadlock
  }

  /// An action by its rank and its index in that rank's list, both counted from 0.
  package struct Position: Hashable, Sendable {
    package var rank: Int
    package var index: Int

    package init(rank: Int, index: Int) {
      self.rank = rank
      self.index = index
    }
  }

  /// A place in a CSV file, both counted from 1; idle (empty) cells count.
  package struct TextPosition: Hashable, Sendable {
    package var line: Int
    package var cell: Int

    package init(line: Int, cell: Int) {
      self.line = line
      self.cell = cell
    }
  }

  package var rule: Rule
  package var message: String
  package var position: Position?
  package var textPosition: TextPosition?
  /// Rank × step around `position`, the bad action as `>…<`.
  package var grid: String?

  package init(
    _ rule: Rule, _ message: String, at position: Position? = nil,
    text: TextPosition? = nil, grid: String? = nil
  ) {
    self.rule = rule
    self.message = message
    self.position = position
    self.textPosition = text
    self.grid = grid
  }

  /// One line, then the grid if there is one.
  package var description: String {
    var places: [String] = []
    if let textPosition {
      places.append("line \(textPosition.line), cell \(textPosition.cell)")
    }
    if let position, rule != .deadlock {  // which tells the places itself
      places.append("rank \(position.rank), action \(position.index)")
    }
    let place = places.isEmpty ? "" : places.joined(separator: " = ") + ": "
    let head = "\(place)\(message) (rule: \(rule.rawValue))"
    return grid.map { head + "\n" + $0 } ?? head
  }
}

extension ScheduleError {
  /// An error about the action at `position` of `actions`, with the grid drawn around it.
  init(
    _ rule: Rule, _ message: String, at position: Position, in actions: [[Action]]
  ) {
    self.init(
      rule, message, at: position,
      grid: ActionGrid(actions: actions, marked: [position]).drawing)
  }
}
