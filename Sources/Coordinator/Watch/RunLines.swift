// A run as lines of text, one after the other: for logs and pipes, where no screen is drawn.

package import RunFiles

/// Tells what is new since it was last asked.
package struct RunLines {
  private var step: Int?
  private var state: RunState?
  private var events: Int?
  private var wasThere = true

  package init() {}

  /// Lines about what is new: the state when it is another, events, and the last step. At the first
  /// look events of before are left out.
  package mutating func news(_ view: RunView) -> [String] {
    var lines: [String] = []
    if view.state != state || view.isThere != wasThere { lines.append(Self.state(view)) }
    lines += view.events.dropFirst(min(events ?? view.events.count, view.events.count))
      .map(Self.event)
    if let latest = view.latest, latest.step != step { lines.append(Self.step(latest, view)) }
    (state, wasThere) = (view.state, view.isThere)
    (step, events) = (view.latest?.step, view.events.count)
    return lines
  }

  /// The run, its state, how far it is.
  package static func state(_ view: RunView) -> String {
    guard view.isThere else { return "\(view.name): the run's directory is gone" }
    var text = "\(view.name): \(view.state.rawValue)"
    if let step = view.latest?.step {
      text += ", step \(step)" + (view.totalSteps.map { "/\($0)" } ?? "")
    } else {
      text += ", no step yet"
    }
    if view.restarts > 0 { text += ", restarts \(view.restarts)" }
    if let reason = view.record?.reason, !reason.isEmpty { text += ": \(reason)" }
    return text
  }

  /// A step's figures.
  package static func step(_ step: StepMetrics, _ view: RunView) -> String {
    var parts = [
      "step \(step.step)" + (view.totalSteps.map { "/\($0)" } ?? ""),
      "loss \(Figures.fixed(step.loss, 4))",
    ]
    if let norm = step.gradientNorm { parts.append("grad \(Figures.fixed(norm, 3))") }
    parts.append("\(Figures.fixed(step.tokensPerSecond, 0)) tokens/s")
    if let ratio = step.maxExpertLoadRatio, ratio > 0 {
      parts.append("load \(Figures.fixed(ratio, 2))")
    }
    if let bytes = step.peakMemoryBytes { parts.append("memory \(Figures.bytes(bytes))") }
    if let virtual = step.virtual {
      parts.append("virtual \(Figures.seconds(virtual.stepSeconds))")
      parts.append("bubble \(Figures.percent(virtual.bubbleFraction))")
    }
    if let left = view.secondsLeft { parts.append("\(Figures.span(left)) left") }
    return parts.joined(separator: "  ")
  }

  package static func event(_ event: RunEvent) -> String {
    Figures.clock(event.time) + " \(event.kind.rawValue.replacing("_", with: " ")): "
      + sentence(event)
  }

  /// An event's message, and where it happened as far as the message doesn't say.
  static func sentence(_ event: RunEvent) -> String {
    let places = [event.step.map { "step \($0)" }, event.rank.map { "rank \($0)" }, event.host]
      .compactMap { $0 }.filter { !event.message.contains($0) }
    return event.message + (places.isEmpty ? "" : " (\(places.joined(separator: ", ")))")
  }
}
