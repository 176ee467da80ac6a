// A picture of a schedule in characters: a line for each rank, time to the right, each action as
// wide as it is long. A schedule wider than the terminal goes on in bands below each other.

/// Draws a schedule with the times of an analysis.
package struct ScheduleDrawing {
  let schedule: Schedule
  let analysis: ScheduleAnalysis
  let local: LocalChunks
  /// Columns of one unit of time.
  private let scale: Double

  /// What one character of the picture belongs to.
  enum Ink: Hashable {
    case idle, gap
    /// Actions by kind, with the rank's chunk for the shade.
    case forward(Int), backward(Int), input(Int), weight(Int)
  }

  struct Glyph {
    var character: Character
    var ink: Ink
    /// Within a label, where a line should not end before it.
    var isInLabel = false
  }

  /// Most characters of a line, over all bands.
  static let mostColumns = 1 << 14

  package init(_ plan: SchedulePlan, _ analysis: ScheduleAnalysis) {
    schedule = plan.schedule
    self.analysis = analysis
    local = LocalChunks(of: plan.schedule)
    var scale = 0.0
    for (actions, spans) in zip(plan.schedule.actions, analysis.spans) {
      for (action, span) in zip(actions, spans) where span.end > span.start {
        // The label and a blank behind it; one more where time is finer than the columns.
        let length = Double(span.end - span.start)
        let wanted = Double(Self.label(action).count + 1)
        scale = max(
          scale, wanted <= length ? (wanted + 1) / length : (wanted / length).rounded(.up))
      }
    }
    self.scale = min(scale, Double(Self.mostColumns) / Double(max(analysis.makespan, 1)))
  }

  /// The picture in lines of at most `width` characters, each ending in a newline.
  /// - Parameters:
  ///   - coloured: with ANSI colours; otherwise lines tell how long an action is.
  ///   - time: what a time of the analysis is called on the axis.
  package func text(
    width: Int, coloured: Bool, time: (Int) -> String = { "\($0)" }
  ) -> String {
    let heads = schedule.actions.indices.map { "rank \($0) " }
    let margin = heads.map(\.count).max() ?? 0
    let rows = schedule.actions.indices.map { row($0, coloured: coloured) }
    let total = column(analysis.makespan)
    let unit = scale >= 1 ? Int(scale) : 1
    let band = max((max(width - margin, 20) / unit) * unit, unit)
    var text = ""
    var start = 0
    while start < total {
      if start > 0 { text += "\n" }
      let columns = start..<Self.end(of: rows, from: start, atMost: min(start + band, total))
      start = columns.upperBound
      text += String(repeating: " ", count: margin) + axis(columns, time) + "\n"
      for (head, row) in zip(heads, rows) {
        text += String(repeating: " ", count: margin - head.count) + head
        text += (coloured ? Self.coloured(row[columns]) : Self.plain(row[columns])) + "\n"
      }
    }
    return text
  }

  /// Where a band from `start` ends so that no label is torn apart.
  private static func end(of rows: [[Glyph]], from start: Int, atMost limit: Int) -> Int {
    var end = limit
    while end > start + 1, rows.contains(where: { end < $0.count && $0[end].isInLabel }) {
      end -= 1
    }
    return end > start + (limit - start) / 2 ? end : limit
  }

  private func column(_ time: Int) -> Int { Int((Double(time) * scale).rounded()) }

  private func row(_ rank: Int, coloured: Bool) -> [Glyph] {
    var row = Array(
      repeating: Glyph(character: "·", ink: .idle), count: column(analysis.makespan))
    for (action, span) in zip(schedule.actions[rank], analysis.spans[rank]) {
      let columns = column(span.start)..<column(span.end)
      guard !columns.isEmpty else { continue }
      let isWide = columns.count > 1
      let body = columns.lowerBound..<(columns.upperBound - (isWide ? 1 : 0))
      if isWide { row[columns.upperBound - 1] = Glyph(character: " ", ink: .gap) }
      for (part, range) in parts(action, rank, body) {
        let fill: Character = coloured ? " " : "─"
        var characters = Array(part.label)
        if characters.count > range.count { characters = Array(characters.prefix(1)) }
        for (offset, index) in range.enumerated() {
          let character = offset < characters.count ? characters[offset] : fill
          row[index] = Glyph(
            character: character, ink: part.ink,
            isInLabel: offset > 0 && offset < characters.count)
        }
      }
    }
    return row
  }

  /// What stands where in an action's columns: a pair's forward first, then its backward.
  private func parts(_ action: Action, _ rank: Int, _ columns: Range<Int>)
    -> [((label: String, ink: Ink), Range<Int>)]
  {
    func chunk(_ cell: Cell) -> Int { local.place(of: cell, onRank: rank).chunk }
    switch action {
    case .forward(let cell): return [((Self.label(action), .forward(chunk(cell))), columns)]
    case .backward(let cell): return [((Self.label(action), .backward(chunk(cell))), columns)]
    case .backwardInput(let cell): return [((Self.label(action), .input(chunk(cell))), columns)]
    case .backwardWeight(let cell): return [((Self.label(action), .weight(chunk(cell))), columns)]
    case .overlapped(let ahead, let back):
      let first = "F\(ahead.microbatch)"
      let second = "+B\(back.microbatch)"
      let isTight = columns.count < first.count + second.count
      let middle =
        columns.lowerBound + (isTight ? columns.count / 2 : max(first.count, columns.count / 3))
      return [
        ((first, .forward(chunk(ahead))), columns.lowerBound..<middle),
        ((second, .backward(chunk(back))), middle..<columns.upperBound),
      ]
    default: return []
    }
  }

  private static func label(_ action: Action) -> String {
    switch action {
    case .forward(let cell): "F\(cell.microbatch)"
    case .backward(let cell): "B\(cell.microbatch)"
    case .backwardInput(let cell): "I\(cell.microbatch)"
    case .backwardWeight(let cell): "W\(cell.microbatch)"
    case .overlapped(let ahead, let back): "F\(ahead.microbatch)+B\(back.microbatch)"
    default: ""
    }
  }

  /// Times above the columns, as many as stand well apart.
  private func axis(_ columns: Range<Int>, _ time: (Int) -> String) -> String {
    var step = 1
    let steps = [2, 5, 10]
    while Double(step) * scale < 8 {
      let power = String(step).dropFirst().reduce(1) { value, _ in value * 10 }
      step = (steps.first { $0 * power > step } ?? 10) * power
    }
    var line = ""
    var tick = 0
    while column(tick) < columns.upperBound {
      let place = column(tick) - columns.lowerBound
      if place >= line.count, place >= 0 {
        line += String(repeating: " ", count: place - line.count) + time(tick) + " "
      }
      tick += step
    }
    return String(line.reversed().drop { $0 == " " }.reversed())
  }
}

// MARK: - Characters to text

extension ScheduleDrawing {
  private static func plain(_ row: ArraySlice<Glyph>) -> String {
    var text = String(row.map(\.character))
    while text.last == " " { text.removeLast() }
    return text
  }

  private static func coloured(_ row: ArraySlice<Glyph>) -> String {
    var text = ""
    var open: Ink?
    for glyph in row {
      if glyph.ink != open {
        text += "\u{1B}[0m" + escape(glyph.ink)
        open = glyph.ink
      }
      text.append(glyph.character)
    }
    return text + "\u{1B}[0m"
  }

  /// Black on the background of the kind, from the 256-colour palette; a darker one for the rank's
  /// second chunk.
  private static func escape(_ ink: Ink) -> String {
    let background: Int
    switch ink {
    case .gap: return ""
    case .idle: return "\u{1B}[2m"
    case .forward(let chunk): background = chunk.isMultiple(of: 2) ? 222 : 215
    case .backward(let chunk): background = chunk.isMultiple(of: 2) ? 150 : 107
    case .input(let chunk): background = chunk.isMultiple(of: 2) ? 116 : 73
    case .weight(let chunk): background = chunk.isMultiple(of: 2) ? 111 : 68
    }
    return "\u{1B}[38;5;16;48;5;\(background)m"
  }
}
