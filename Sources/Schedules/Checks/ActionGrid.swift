// The rank × step grid that an error shows: ranks down, positions of the lists across, trimmed to
// a window around the marked actions, which stand in `>…<`.

/// A small picture of part of a schedule, for error messages.
struct ActionGrid {
  var actions: [[Action]]
  /// The actions to mark; the window is laid around all of them if they are close together, or
  /// around the first.
  var marked: [ScheduleError.Position]

  /// Most steps shown.
  static let columns = 9
  /// Most ranks shown.
  static let rows = 16

  /// The grid as lines of text, without a final newline.
  var drawing: String {
    guard let first = marked.first else { return "" }
    let steps = self.steps(around: first.index)
    let ranks = window(around: first.rank, count: Self.rows, limit: actions.count)
    var table = [["rank \\ action"] + steps.map { "\($0)" }]
    for rank in ranks {
      table.append(["\(rank)"] + steps.map { text(rank: rank, step: $0) })
    }
    let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    var lines = table.map { row in
      let line = zip(row, widths).map { cell, width in
        String(repeating: " ", count: width - cell.count) + cell
      }.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
    if ranks.count < actions.count {
      lines.append("(ranks \(ranks.lowerBound)–\(ranks.upperBound - 1) of \(actions.count))")
    }
    return lines.joined(separator: "\n")
  }

  private func steps(around first: Int) -> Range<Int> {
    let indices = marked.map(\.index)
    let low = indices.min() ?? first
    let high = indices.max() ?? first
    let centre = high - low < Self.columns - 2 ? (low + high) / 2 : first
    return window(
      around: centre, count: Self.columns, limit: actions.map(\.count).max() ?? 0)
  }

  private func text(rank: Int, step: Int) -> String {
    guard step < actions[rank].count else { return "" }
    let action = actions[rank][step].shortText
    let isMarked = marked.contains(.init(rank: rank, index: step))
    return isMarked ? ">\(action)<" : action
  }

  private func window(around centre: Int, count: Int, limit: Int) -> Range<Int> {
    let start = max(0, min(centre - count / 2, limit - count))
    return start..<min(limit, start + count)
  }
}
