// One stream of one rank as a lane of a picture: events one by one, or, where there are too many,
// columns of pixels whose filled height is the share of time that the stream was busy.

internal import Schedules
internal import Units

/// The part of time that a picture shows, and where.
struct TimelineWindow {
  var start: Int64
  var end: Int64
  /// Pixels.
  var width: Double

  var scale: Double { width / Double(max(end - start, 1)) }

  /// Pixels from the left of the part of a span that is shown, nil when nothing is.
  func place(_ from: Int64, _ to: Int64) -> (x: Double, width: Double)? {
    let (from, to) = (max(from, start), min(to, end))
    guard to > from else { return nil }
    return (Double(from - start) * scale, Double(to - from) * scale)
  }
}

/// Events of a lane as elements of their own.
struct ExactLane {
  let window: TimelineWindow
  let height: Double
  private(set) var text = ""

  init(_ window: TimelineWindow, height: Double) {
    self.window = window
    self.height = height
  }

  /// - Parameter tooltip: empty for none.
  mutating func add(_ colour: TimelineColour, _ from: Int64, _ to: Int64, tooltip: String) {
    guard let place = window.place(from, to), SVG.number(place.width) != "0" else { return }
    text += SVG.rectangle(
      colour.style, x: place.x, y: 0, width: place.width, height: height,
      tooltip.isEmpty ? "" : SVG.title(tooltip))
  }
}

/// Events of a lane summed up by columns.
struct ColumnLane {
  private let window: TimelineWindow
  private let height: Double
  private let columnWidth: Double
  /// Pixels of time by column × colours + colour.
  private var busy: [Double]

  init(_ window: TimelineWindow, height: Double, columnWidth: Double) {
    self.window = window
    self.height = height
    self.columnWidth = columnWidth
    let columns = Int((window.width / columnWidth).rounded(.up))
    busy = Array(repeating: 0, count: columns * TimelineColour.allCases.count)
  }

  mutating func add(_ colour: TimelineColour, _ from: Int64, _ to: Int64) {
    guard let place = window.place(from, to) else { return }
    let colours = TimelineColour.allCases.count
    var x = place.x
    let end = place.x + place.width
    while x < end {
      let column = Int(x / columnWidth)
      guard column * colours < busy.count else { return }
      let edge = min(Double(column + 1) * columnWidth, end)
      busy[column * colours + colour.rawValue] += edge - x
      x = max(edge, x.nextUp)
    }
  }

  /// A path for each colour: each column has that of most of its busy time, as high as it was busy.
  var text: String {
    let colours = TimelineColour.allCases.count
    var paths = Array(repeating: "", count: colours)
    var run = (colour: -1, level: 0, start: 0)
    func close(at column: Int) {
      guard run.colour >= 0 else { return }
      let (x, y) = (Double(run.start) * columnWidth, height * Double(8 - run.level) / 8)
      let width = Double(column - run.start) * columnWidth
      paths[run.colour] +=
        "M\(SVG.number(x)) \(SVG.number(y))h\(SVG.number(width))V\(SVG.number(height))"
        + "h-\(SVG.number(width))z"
    }
    for column in 0..<busy.count / colours {
      let shares = busy[column * colours..<(column + 1) * colours]
      let most = shares.max() ?? 0
      let level = min(Int((shares.reduce(0, +) / columnWidth * 8).rounded(.up)), 8)
      let colour = most > 0 ? (shares.firstIndex(of: most) ?? 0) - column * colours : -1
      if colour != run.colour || level != run.level {
        close(at: column)
        run = (colour, level, column)
      }
    }
    close(at: busy.count / colours)
    return TimelineColour.allCases.map { colour in
      let path = paths[colour.rawValue]
      return path.isEmpty ? "" : "<path class=\"\(colour.style)\" d=\"\(path)\"/>"
    }.joined()
  }
}
