// A curve over steps in a terminal: braille characters have two by four dots each. Left of it
// values at round places, below it steps.

package struct LinePlot {
  private let title: String
  private let style: TextStyle
  private let label: (Double) -> String
  private let points: [(step: Int, value: Double)]

  /// - Parameters:
  ///   - values: by step, ascending; those that aren't finite are left out.
  ///   - label: what a value is called, on the axis and beside the title.
  package init(
    _ title: String, _ values: [(step: Int, value: Double)], _ style: TextStyle = .accent,
    label: @escaping (Double) -> String = { Figures.significant($0, 4) }
  ) {
    self.title = title
    self.style = style
    self.label = label
    points = values.filter { $0.value.isFinite }
  }

  /// The picture in exactly `height` lines of at most `width` columns.
  package func lines(width: Int, height: Int) -> [TextLine] {
    guard height > 0 else { return [] }
    var head = TextLine(title, .bold)
    if let last = points.last { head.add("  " + label(last.value)) }
    guard height >= 4, width >= 16, let first = points.first, let last = points.last else {
      if points.isEmpty { head.add("  nothing yet", .quiet) }
      return [head] + Array(repeating: TextLine(), count: height - 1)
    }
    let rows = height - 2
    let range = self.range
    let ticks = ChartPanel.ticks(in: range, about: max(2, rows / 3))
    let labels = ticks.map(label)
    let margin = (labels.map(\.count).max() ?? 0) + 1
    let columns = width - margin - 1
    guard columns >= 4 else { return [head] + Array(repeating: TextLine(), count: height - 1) }
    let dots = self.dots(columns: columns, rows: rows, range: range)
    var lines = [head]
    for row in 0..<rows {
      let tick = ticks.firstIndex { Self.row(of: $0, range, rows) == row }
      var line = TextLine(
        Figures.right(tick.map { labels[$0] } ?? "", margin - 1) + (tick == nil ? " │" : " ┤"),
        .quiet)
      line.add(dots[row], style)
      lines.append(line)
    }
    lines.append(steps(from: first.step, to: last.step, margin: margin, columns: columns))
    return lines
  }

  /// Values from least to most, wider where they hardly differ.
  private var range: ClosedRange<Double> {
    let least = points.map(\.value).min() ?? 0
    let most = points.map(\.value).max() ?? 1
    let margin = max(0, 1e-3 * max(abs(least), abs(most), 1e-9) - (most - least)) / 2
    return (least - margin)...(most + margin)
  }

  private static func dot(of value: Double, _ range: ClosedRange<Double>, _ rows: Int) -> Int {
    let span = range.upperBound - range.lowerBound
    guard span > 0 else { return 2 * rows }
    let place = (range.upperBound - value) / span * Double(4 * rows - 1)
    return min(max(Int(place.rounded()), 0), 4 * rows - 1)
  }

  private static func row(of value: Double, _ range: ClosedRange<Double>, _ rows: Int) -> Int {
    dot(of: value, range, rows) / 4
  }

  /// The first, the middle and the last step under their places.
  private func steps(from first: Int, to last: Int, margin: Int, columns: Int) -> TextLine {
    var line = TextLine(String(repeating: " ", count: margin + 1))
    line.add("\(first)", .quiet)
    guard last > first else { return line }
    let middle = first + (last - first) / 2
    let end = margin + 1 + columns
    if middle > first, columns >= 40 {
      line.pad(to: margin + 1 + columns / 2 - "\(middle)".count / 2)
      line.add("\(middle)", .quiet)
    }
    let text = columns >= 24 ? "step \(last)" : "\(last)"
    line.pad(to: max(line.width + 1, end - text.count))
    line.add(text, .quiet)
    return line
  }

  /// The curve, a string of braille for each row. Where several steps share a column of dots their
  /// mean is drawn; where they are further apart they are joined.
  private func dots(columns: Int, rows: Int, range: ClosedRange<Double>) -> [String] {
    var cells = [[UInt8]](repeating: [UInt8](repeating: 0, count: columns), count: rows)
    func set(_ x: Int, _ y: Int) {
      let bits: [[UInt8]] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]]
      cells[y / 4][x / 2] |= bits[x % 2][y % 4]
    }
    let path = means(columns: 2 * columns).map {
      (x: $0.x, y: Self.dot(of: $0.value, range, rows))
    }
    for (from, to) in zip(path, path.dropFirst()) {
      for x in from.x...to.x {
        let share = Double(x - from.x) / Double(max(1, to.x - from.x))
        let y = Double(from.y) + share * Double(to.y - from.y)
        let next =
          Double(from.y) + (share + 1 / Double(max(1, to.x - from.x))) * Double(to.y - from.y)
        set(x, Int(y.rounded()))
        // Steep parts have no gaps.
        guard x < to.x else { continue }
        for between in Int(min(y, next).rounded())...Int(max(y, next).rounded()) { set(x, between) }
      }
    }
    if path.count == 1, let only = path.first { set(only.x, only.y) }
    return cells.map { row in
      String(
        String.UnicodeScalarView(
          row.map { $0 == 0 ? " " : Unicode.Scalar(0x2800 + UInt32($0)) ?? " " }))
    }
  }

  private func means(columns: Int) -> [(x: Int, value: Double)] {
    guard let first = points.first?.step, let last = points.last?.step else { return [] }
    let scale = last > first ? Double(columns - 1) / Double(last - first) : 0
    var sums: [(x: Int, sum: Double, count: Int)] = []
    for (step, value) in points {
      let x = Int((Double(step - first) * scale).rounded())
      if sums.last?.x == x {
        sums[sums.count - 1].sum += value
        sums[sums.count - 1].count += 1
      } else {
        sums.append((x, value, 1))
      }
    }
    return sums.map { ($0.x, $0.sum / Double($0.count)) }
  }
}
