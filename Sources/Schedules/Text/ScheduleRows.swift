// The lines of a schedule file, parsed but not yet judged as a schedule, with the cell each action
// stood in so that later errors can point at it.

/// Actions by line, with and without their places.
struct ScheduleRows {
  /// By line.
  private(set) var actions: [[Action]] = []
  /// By line, the cell (from 1) of each action.
  private var cells: [[Int32]] = []
  /// By line, the cells that are no action, in order.
  private(set) var fillers: [[Filler]] = []

  /// A cell that says nothing about the schedule: an idle slot, or FSDP's sharding.
  struct Filler: Hashable {
    /// The number of actions of the line that stand before it.
    var index: Int
    var text: String
  }

  /// Splits and parses a whole file.
  init(parsing bytes: [UInt8]) throws(ScheduleError) {
    guard !bytes.isEmpty else {
      throw ScheduleError(.text, "the file is empty; a schedule has a line for each rank")
    }
    var count = 0
    var start = 0
    while start < bytes.count {
      var end = start
      while end < bytes.count, bytes[end] != Self.lineFeed { end += 1 }
      let isReturned = end > start && end < bytes.count && bytes[end - 1] == Self.carriageReturn
      try parseLine(bytes[start..<(isReturned ? end - 1 : end)], &count)
      start = end + 1
    }
  }

  private static let lineFeed = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")

  private mutating func parseLine(_ line: ArraySlice<UInt8>, _ count: inout Int)
    throws(ScheduleError)
  {
    var list: [Action] = []
    var places: [Int32] = []
    var others: [Filler] = []
    var cell = 0
    var rest = line
    var isLast = false
    while !isLast {
      cell += 1
      count += 1
      guard count <= ScheduleCSV.largestCellCount else {
        throw ScheduleError(.size, "the file has more than \(ScheduleCSV.largestCellCount) cells")
      }
      let comma = rest.firstIndex(of: UInt8(ascii: ","))
      isLast = comma == nil
      let content = rest[..<(comma ?? rest.endIndex)]
      rest = rest[(comma.map { $0 + 1 } ?? rest.endIndex)...]
      do {
        switch try ActionParser(Self.unquoted(content)).parse() {
        case .action(let action):
          list.append(action)
          places.append(Int32(cell))
        case .idle: others.append(Filler(index: list.count, text: ""))
        case .sharding(let text): others.append(Filler(index: list.count, text: text))
        }
      } catch {
        var located = error
        located.textPosition = .init(line: actions.count + 1, cell: cell)
        throw located
      }
    }
    guard !list.isEmpty else {
      throw ScheduleError(
        .text, "the line has no action; each line is a rank with work",
        text: .init(line: actions.count + 1, cell: 1))
    }
    actions.append(list)
    cells.append(places)
    fillers.append(others)
  }

  /// A cell in quotes, as a spreadsheet may write it, without them.
  private static func unquoted(_ cell: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let quote = UInt8(ascii: "\"")
    let isQuoted = cell.count >= 2 && cell.first == quote && cell.last == quote
    return isQuoted ? cell.dropFirst().dropLast() : cell
  }

  var hasCommunication: Bool { actions.contains { $0.contains(where: \.isCommunication) } }

  /// Stages and micro-batches that the compute actions span, from 0 to the largest named.
  var extent: (stages: Int, microbatches: Int) {
    var stages = 0
    var microbatches = 0
    for list in actions {
      for action in list where !action.isCommunication {
        for cell in action.cells {
          stages = max(stages, cell.stage + 1)
          microbatches = max(microbatches, cell.microbatch + 1)
        }
      }
    }
    return (stages, microbatches)
  }

  /// The same lines without sends and receives.
  var computed: ScheduleRows {
    var result = self
    for line in actions.indices where actions[line].contains(where: \.isCommunication) {
      let kept = actions[line].indices.filter { !actions[line][$0].isCommunication }
      result.actions[line] = kept.map { actions[line][$0] }
      result.cells[line] = kept.map { cells[line][$0] }
    }
    return result
  }

  /// Refuses a number that is not the expected one, pointing at the first action beyond it.
  func check(_ what: String, _ found: Int, _ expected: Int?, _ id: (Cell) -> Int)
    throws(ScheduleError)
  {
    guard let expected, found != expected else { return }
    let text = "the file has \(found) \(what) (numbered from 0), \(expected) are right"
    let beyond = actions.firstPosition { $0.cells.contains { id($0) >= expected } }
    guard let beyond else { throw ScheduleError(.shape, text) }
    throw locating(ScheduleError(.shape, text, at: beyond, in: actions))
  }

  /// `error` with the line and cell of the action it is about.
  func locating(_ error: ScheduleError) -> ScheduleError {
    guard let position = error.position, error.textPosition == nil,
      cells.indices.contains(position.rank), cells[position.rank].indices.contains(position.index)
    else { return error }
    var located = error
    located.textPosition = .init(
      line: position.rank + 1, cell: Int(cells[position.rank][position.index]))
    return located
  }
}
