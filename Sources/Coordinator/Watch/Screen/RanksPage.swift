// What each rank does at this moment, whom it waits for, and what memory it holds.

internal import RunFiles

struct RanksPage {
  private let view: RunView

  init(_ view: RunView) { self.view = view }

  func lines(columns: Int) -> [TextLine] {
    var lines = table(columns: columns)
    if lines.isEmpty {
      lines = [TextLine("the ranks of this run tell nothing of themselves", .quiet)]
    }
    let fullest = self.fullest(columns: columns)
    return fullest.isEmpty ? lines : lines + [TextLine()] + fullest
  }

  private func table(columns: Int) -> [TextLine] {
    guard !view.beats.isEmpty else { return [] }
    let hosts = Set(view.beats.map(\.host))
    var head = ["rank", "phase", "step", "action", "waits for", "beat", "tensors", "resident"]
    if hosts.count > 1 { head.insert("host", at: 1) }
    var rows = [head]
    for (beat, lives) in zip(view.beats, view.ranksLive) {
      var row = [
        "\(beat.rank)", phase(beat, lives), "\(beat.step)", "\(beat.actionsDone)",
        Self.waiting(beat), Figures.span(max(0, view.time - beat.time)),
        Figures.bytes(beat.tensorBytes), Figures.bytes(beat.residentBytes),
      ]
      if hosts.count > 1 { row.insert(beat.host, at: 1) }
      rows.append(row)
    }
    // The least interesting goes first where the terminal is narrow.
    for name in ["action", "resident", "host", "beat", "tensors"] {
      guard Self.width(of: rows) > columns, let place = head.firstIndex(of: name) else { continue }
      head.remove(at: place)
      for row in rows.indices { rows[row].remove(at: place) }
    }
    return Self.aligned(rows, head).enumerated().map { index, cells in
      var line = TextLine()
      for (cell, name) in zip(cells, head) {
        if line.width > 0 { line.add("  ") }
        line.add(cell, index == 0 ? .quiet : style(name, rank: index - 1))
      }
      return line
    }
  }

  private static func width(of rows: [[String]]) -> Int {
    let count = rows.first?.count ?? 0
    return (0..<count).reduce(2 * (count - 1)) { sum, column in
      sum + (rows.map { $0[column].count }.max() ?? 0)
    }
  }

  /// Numbers stand on the right of their columns.
  private static func aligned(_ rows: [[String]], _ head: [String]) -> [[String]] {
    let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let left: Set<String> = ["phase", "waits for", "host"]
    return rows.map { row in
      head.indices.map { column in
        let cell = row[column]
        let blanks = String(repeating: " ", count: widths[column] - cell.count)
        return left.contains(head[column]) ? cell + blanks : blanks + cell
      }
    }
  }

  private func phase(_ beat: RankBeat, _ lives: Bool?) -> String {
    let isOver = beat.phase == .finished || beat.phase == .failed
    return lives == false && !isOver ? "gone" : "\(beat.phase)"
  }

  private func style(_ column: String, rank index: Int) -> TextStyle {
    let beat = view.beats[index]
    switch column {
    case "phase":
      switch phase(beat, view.ranksLive[index]) {
      case "gone", "failed": return .bad
      case "finished": return .good
      default: return .plain
      }
    case "waits for": return .accent
    case "beat":
      let isOld = view.time - beat.time > max(10, 5 * (view.secondsPerStep ?? 0))
      return isOld && view.state.isActive ? .warning : .quiet
    default: return .plain
    }
  }

  static func waiting(_ beat: RankBeat) -> String {
    guard beat.wait != .nothing else { return "" }
    return "\(beat.wait)" + (beat.peer.map { " of \($0)" } ?? "")
  }

  /// A bar for each rank, of its tensors at the last step's peak; none where ranks don't tell.
  func memory(columns: Int) -> [TextLine] {
    let known = view.beats.filter { $0.tensorBytes > 0 }
    guard let most = known.map(\.tensorBytes).max() else { return [] }
    let digits = "\(known.last?.rank ?? 0)".count
    return known.map { beat in
      var line = TextLine("rank \(Figures.right("\(beat.rank)", digits)) ", .quiet)
      let room = max(4, columns - line.width - 10)
      line.add(
        Figures.bar(Double(beat.tensorBytes) / Double(most), columns: room), .accent)
      line.pad(to: columns - 9)
      line.add(Figures.right(Figures.bytes(beat.tensorBytes), 9))
      return line
    }
  }

  /// What the fullest rank's memory is for, counted and predicted.
  func fullest(columns: Int) -> [TextLine] {
    guard let memory = view.latest?.memory, memory.total > 0 else { return [] }
    let predicted = view.report?["predicted_memory_bytes"]
    var lines = [TextLine("memory of the fullest rank, step \(view.latest?.step ?? 0)", .bold)]
    let rows = memory.categories + [("total", memory.total)]
    for (name, bytes) in rows {
      var line = TextLine(name, .quiet)
      line.pad(to: 12)
      line.add(Figures.right(Figures.bytes(bytes), 9), name == "total" ? .bold : .plain)
      if let value = predicted?[name]?.integer, columns >= 60 {
        line.add(" (predicted \(Figures.bytes(value)))", .quiet)
      }
      if name != "total", columns >= 50 {
        line.pad(to: columns >= 60 && predicted != nil ? 45 : 24)
        line.add(
          Figures.bar(Double(bytes) / Double(memory.total), columns: min(40, columns - line.width)),
          .accent)
      }
      lines.append(line)
    }
    return lines
  }
}
