// A panel of a chart over steps: a frame with round ticks and lines in it, as SVG.

internal import Schedules

struct ChartPanel {
  /// A line by step, the first step's value first.
  struct Line {
    /// Style classes.
    var style: String
    var values: [Double]
  }

  /// Left, top, width and height in pixels.
  let (x, y, width, height): (Double, Double, Double, Double)
  let steps: Int
  /// Least and largest value shown.
  let range: ClosedRange<Double>
  /// Name of the clip path that keeps lines within the frame.
  let name: String

  func place(step: Double) -> Double {
    x + width * (step - 1) / Double(max(steps - 1, 1))
  }

  func place(value: Double) -> Double {
    y + height * (1 - (value - range.lowerBound) / (range.upperBound - range.lowerBound))
  }

  /// Grid, labels and frame.
  /// - Parameter label: what a value is called.
  func frame(title: String, label: (Double) -> String) -> String {
    var text = SVG.text("bold", x: x, y: y - 9, title) + "\n"
    for tick in Self.ticks(in: range, about: 6) {
      let line = place(value: tick)
      text += "<path class=\"grid\" d=\"M\(SVG.number(x)) \(SVG.number(line))"
      text += "h\(SVG.number(width))\"/>"
      text += SVG.text("end quiet", x: x - 8, y: line + 4, label(tick)) + "\n"
    }
    for tick in Self.ticks(in: 0...Double(steps), about: 8) where tick == tick.rounded() {
      let step = max(tick, 1)
      let line = place(step: step)
      text += "<path class=\"grid\" d=\"M\(SVG.number(line)) \(SVG.number(y))"
      text += "v\(SVG.number(height + 4))\"/>"
      text += SVG.text("mid quiet", x: line, y: y + height + 17, "\(Int(step))") + "\n"
    }
    text += SVG.text("mid quiet", x: x + width / 2, y: y + height + 34, "step") + "\n"
    return text + SVG.rectangle("frame", x: x, y: y, width: width, height: height) + "\n"
  }

  /// The lines, cut at the frame. Where steps are closer than half a pixel some are left out.
  func drawing(_ lines: [Line]) -> String {
    let stride = max(1, Int((Double(steps) / (2 * width)).rounded(.up)))
    var text = "<clipPath id=\"\(name)\">"
    text += SVG.rectangle("", x: x, y: y, width: width, height: height) + "</clipPath>\n"
    text += "<g clip-path=\"url(#\(name))\">\n"
    for line in lines where !line.values.isEmpty {
      // Far outside is as good as just outside, and within what drawing programs can count.
      let margin = (range.upperBound - range.lowerBound) * 2
      let shown = (range.lowerBound - margin)...(range.upperBound + margin)
      let points = line.values.indices.filter {
        $0.isMultiple(of: stride) || $0 == line.values.count - 1
      }.map { step in
        let value = min(max(line.values[step], shown.lowerBound), shown.upperBound)
        return SVG.number(place(step: Double(step + 1))) + " " + SVG.number(place(value: value))
      }
      text += "<path class=\"\(line.style)\" d=\"M\(points.joined(separator: "L"))\"/>\n"
    }
    return text + "</g>\n"
  }

  /// Round values in a range: multiples of 1, 2 or 5 times a power of ten, `count` of them about.
  static func ticks(in range: ClosedRange<Double>, about count: Int) -> [Double] {
    let span = range.upperBound - range.lowerBound
    guard span > 0, span.isFinite else { return [range.lowerBound] }
    var power = 1.0
    while power * 10 * Double(count) <= span { power *= 10 }
    while power * Double(count) > span { power /= 10 }
    let step = [1, 2, 5, 10].map { $0 * power }.min {
      abs(span / $0 - Double(count)) < abs(span / $1 - Double(count))
    }
    guard let step else { return [] }
    let first = (range.lowerBound / step).rounded(.up)
    let last = (range.upperBound / step).rounded(.down)
    return first <= last ? (Int(first)...Int(last)).map { Double($0) * step } : []
  }
}
