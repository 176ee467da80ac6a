// What the pages around the rows share: the time axis, how heavy lines are, and the bubble in
// words.

/// Ticks in round numbers of time, with a grid line each.
package struct ScheduleAxis {
  /// The first time shown, and how many more there are.
  private let start: Int
  private let makespan: Int
  private let scale: Double
  private let time: (Int) -> String

  /// - Parameters:
  ///   - start: the time at the left end.
  ///   - makespan: units of time that are shown.
  ///   - scale: pixels of one.
  ///   - time: what a time is called.
  package init(
    start: Int = 0, makespan: Int, scale: Double, time: @escaping (Int) -> String
  ) {
    self.start = start
    self.makespan = makespan
    self.scale = scale
    self.time = time
  }

  /// Pixels of the widest label, about.
  var labelWidth: Double { SVG.width(of: time(start + makespan), size: 12) }

  /// Least pixels from tick to tick.
  private var spacing: Double { max(56, labelWidth + 20) }

  /// 1, 2 or 5 times a power of ten.
  private var step: Int {
    var power = 1
    while true {
      for factor in [1, 2, 5] where Double(factor * power) * scale >= spacing {
        return factor * power
      }
      guard power <= makespan else { return max(makespan, 1) }
      power *= 10
    }
  }

  /// Grid lines from `top` to `bottom` and the times below.
  package func drawing(x: Double, top: Double, bottom: Double) -> String {
    let first = (start + step - 1) / step * step
    var lines = ""
    var labels = ""
    for tick in stride(from: first, through: start + makespan, by: step) {
      let place = x + Double(tick - start) * scale
      lines += "M\(SVG.number(place)) \(SVG.number(top - 4))V\(SVG.number(bottom + 4))"
      labels += SVG.text("", x: place, y: bottom + 17, time(tick))
    }
    return "<path class=\"grid\" d=\"\(lines)\"/>\n<g class=\"mid\">\(labels)</g>\n"
      + SVG.text("quiet", x: x, y: bottom + 32, "time →") + "\n"
  }
}

package enum SchedulePage {
  /// "8 devices", "1 device".
  package static func counted(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : noun.hasSuffix("ch") ? "es" : "s")"
  }

  /// Pixels of the line between neighbours and of a pair's frame, where a short action has
  /// `pixels`: thin things would be all line.
  static func outline(_ pixels: Double) -> (line: Double, frame: Double) {
    (min(0.8, pixels / 10), min(1.4, max(pixels / 8, 0.2)))
  }
}

extension SchedulePanel {
  /// Length of a short part; one in ten is shorter.
  var shortest: Double {
    var lengths: [Double] = []
    eachPart { lengths.append($0.end - $0.start) }
    lengths.sort()
    return lengths.isEmpty ? 1 : lengths[lengths.count / 10]
  }
}

extension ScheduleAnalysis {
  /// Share of all ranks' time that is idle, 0...1.
  package var bubbleShare: Double {
    let all = Double(makespan) * Double(busy.count)
    return all > 0 ? bubble.reduce(0) { $0 + Double($1) } / all : 0
  }

  /// "bubble 6 on every device (9.1 %)"
  func bubbleText(_ time: (Int) -> String) -> String {
    let (least, most) = (bubble.min() ?? 0, bubble.max() ?? 0)
    let permille = Int((bubbleShare * 1000).rounded())
    let share = "\(permille / 10).\(permille % 10) % of all time"
    return least == most
      ? "bubble \(time(most)) on every device (\(share))"
      : "bubble \(time(least)) to \(time(most)) by device (\(share))"
  }
}
