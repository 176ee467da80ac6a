// The rows of one schedule in an SVG picture: a track of idle time for each rank, and on it every
// action, as wide as it is long, with its micro-batch. A page around it adds axis and legend.

/// Draws the ranks of one schedule.
struct SchedulePanel {
  /// One filled part of an action: the whole of it, or one side of a pair.
  struct Part {
    var kind: ActionKind
    var shade: Int
    var microbatch: Int
    /// In units of time; a pair's forward takes its first third, as in the report.
    var start: Double
    var end: Double
  }

  let schedule: Schedule
  let analysis: ScheduleAnalysis
  let local: LocalChunks
  /// Most chunks of a rank.
  let chunks: Int

  /// Pixels of one unit of time.
  var scale = 1.0
  /// Pixels of a row, and from row to row.
  var rowHeight = 22.0
  var pitch = 25.0
  /// Pixels of the micro-batch numbers; nil for none.
  var fontSize: Double?
  /// Name of a time in tooltips; nil for no tooltips, which makes the file a third as large.
  var time: ((Int) -> String)?

  init(_ schedule: Schedule, _ analysis: ScheduleAnalysis) {
    self.schedule = schedule
    self.analysis = analysis
    local = LocalChunks(of: schedule)
    chunks = local.chunks.map(\.count).max() ?? 1
  }

  var height: Double { Double(schedule.ranks - 1) * pitch + rowHeight }
  var width: Double { Double(analysis.makespan) * scale }

  /// Every part of every action that takes time.
  func eachPart(_ body: (Part) -> Void) {
    for rank in schedule.actions.indices {
      for (action, span) in zip(schedule.actions[rank], analysis.spans[rank])
      where span.end > span.start {
        parts(of: action, span, onRank: rank).forEach(body)
      }
    }
  }

  /// Whether some action is a pair.
  var hasPairs: Bool { schedule.actions.contains { $0.contains { $0.cells.count == 2 } } }

  func shade(of cell: Cell, onRank rank: Int) -> Int {
    SchedulePalette.shade(ofChunk: local.place(of: cell, onRank: rank).chunk, of: chunks)
  }

  private func parts(
    of action: Action, _ span: ScheduleAnalysis.Span, onRank rank: Int
  ) -> [Part] {
    func part(_ kind: ActionKind, _ cell: Cell, _ start: Double, _ end: Double) -> Part {
      Part(
        kind: kind, shade: shade(of: cell, onRank: rank), microbatch: cell.microbatch,
        start: start, end: end)
    }
    let (start, end) = (Double(span.start), Double(span.end))
    switch action {
    case .forward(let cell): return [part(.forward, cell, start, end)]
    case .backward(let cell): return [part(.backward, cell, start, end)]
    case .backwardInput(let cell): return [part(.input, cell, start, end)]
    case .backwardWeight(let cell): return [part(.weight, cell, start, end)]
    case .overlapped(let ahead, let back):
      let middle = start + (end - start) / 3
      return [part(.forward, ahead, start, middle), part(.backward, back, middle, end)]
    default: return []
    }
  }

  /// The idle tracks, to be drawn before grid lines.
  func tracks(x: Double, y: Double) -> String {
    schedule.actions.indices.map { rank in
      SVG.rectangle("idle", x: x, y: y + Double(rank) * pitch, width: width, height: rowHeight)
        + "\n"
    }.joined()
  }

  /// The actions; each row is a group of its own whose x = 0 is time 0.
  func rows(x: Double, y: Double) -> String {
    schedule.actions.indices.map { rank in
      let place = "\(SVG.number(x)),\(SVG.number(y + Double(rank) * pitch))"
      return "<g class=\"cells\" transform=\"translate(\(place))\">\n"
        + (time == nil ? paths(ofRank: rank) : rectangles(ofRank: rank))
        + labels(ofRank: rank) + "</g>\n"
    }.joined()
  }

  private func rectangles(ofRank rank: Int) -> String {
    var text = ""
    for (action, span) in zip(schedule.actions[rank], analysis.spans[rank])
    where span.end > span.start {
      let parts = parts(of: action, span, onRank: rank)
      let tip = SVG.title(tooltip(action, span, rank))
      let cells = parts.map { part in
        SVG.rectangle(
          style(part), x: part.start * scale, y: 0, width: (part.end - part.start) * scale,
          height: rowHeight, parts.count == 1 ? tip : "")
      }.joined()
      guard parts.count > 1 else {
        text += cells + "\n"
        continue
      }
      let frame = SVG.rectangle(
        "pair", x: Double(span.start) * scale, y: 0,
        width: Double(span.end - span.start) * scale, height: rowHeight)
      text += "<g>\(tip)\(cells)\(frame)</g>\n"
    }
    return text
  }

  /// All actions of a kind and shade as one shape, 20 bytes each.
  private func paths(ofRank rank: Int) -> String {
    var shapes: [String: String] = [:]
    func add(_ style: String, _ start: Double, _ end: Double) {
      let (from, to) = (SVG.number(start * scale), SVG.number((end - start) * scale))
      shapes[style, default: ""] += "M\(from) 0h\(to)v\(SVG.number(rowHeight))h-\(to)z"
    }
    for (action, span) in zip(schedule.actions[rank], analysis.spans[rank])
    where span.end > span.start {
      let parts = parts(of: action, span, onRank: rank)
      for part in parts { add(style(part), part.start, part.end) }
      if parts.count > 1 { add("pair", Double(span.start), Double(span.end)) }
    }
    // Frames above fills.
    return shapes.keys.sorted { ($0 == "pair" ? 1 : 0, $0) < ($1 == "pair" ? 1 : 0, $1) }.map {
      "<path class=\"\($0)\" d=\"\(shapes[$0] ?? "")\"/>\n"
    }.joined()
  }

  private func labels(ofRank rank: Int) -> String {
    guard let fontSize else { return "" }
    var text = ""
    let baseline = rowHeight / 2 + fontSize * 0.36
    for (action, span) in zip(schedule.actions[rank], analysis.spans[rank]) {
      for part in parts(of: action, span, onRank: rank) {
        let label = "\(part.microbatch)"
        let width = (part.end - part.start) * scale
        guard Double(label.count) * SVG.digitWidth * fontSize <= width else { continue }
        text += SVG.text("", x: part.start * scale + width / 2, y: baseline, label)
      }
    }
    return text.isEmpty
      ? "" : "<g class=\"mid\" style=\"font-size:\(SVG.number(fontSize))px\">\(text)</g>\n"
  }

  private func style(_ part: Part) -> String { "\(part.kind.letter)\(part.shade)" }

  /// "rank 3: F7 stage 3, 12–13"
  private func tooltip(_ action: Action, _ span: ScheduleAnalysis.Span, _ rank: Int) -> String {
    func cell(_ kind: String, _ cell: Cell) -> String {
      "\(kind)\(cell.microbatch) stage \(cell.stage)"
    }
    let what =
      switch action {
      case .forward(let one): cell("F", one)
      case .backward(let one): cell("B", one)
      case .backwardInput(let one): cell("I", one)
      case .backwardWeight(let one): cell("W", one)
      case .overlapped(let ahead, let back): cell("F", ahead) + " with " + cell("B", back)
      default: ""
      }
    let time = time ?? { "\($0)" }
    return "rank \(rank): \(what), \(time(span.start))–\(time(span.end))"
  }
}
