// How the events of a timeline look: compute in the colours of the schedules' pictures, transfers
// in reds, grey for the rest.

internal import Schedules

/// What a timeline draws: the events' kinds, and waiting for others in front of an event.
enum TimelineColour: Int, CaseIterable {
  case forward, backward, input, weight, optimizer, dispatch, combine, send, collective, waiting

  init(_ kind: EventKind) {
    self =
      switch kind {
      case .forward: .forward
      case .backward: .backward
      case .input: .input
      case .weight: .weight
      case .optimizer: .optimizer
      case .dispatch: .dispatch
      case .combine: .combine
      case .send: .send
      case .collective: .collective
      }
  }

  /// Its style class.
  var style: String {
    switch self {
    case .forward: "f"
    case .backward: "b"
    case .input: "i"
    case .weight: "w"
    case .optimizer: "o"
    case .dispatch: "d"
    case .combine: "c"
    case .send: "s"
    case .collective: "g"
    case .waiting: "x"
    }
  }

  /// As the legend calls it.
  var name: String {
    switch self {
    case .forward: "forward (F)"
    case .backward: "backward (I and W)"
    case .input: "backward for input (I)"
    case .weight: "backward for weights (W)"
    case .optimizer: "optimizer"
    case .dispatch: "dispatch"
    case .combine: "combine"
    case .send: "pipeline message"
    case .collective: "collective"
    case .waiting: "at the barrier, waiting for other ranks"
    }
  }

  private var fill: String {
    switch self {
    case .forward: SchedulePalette.fill(.forward)
    case .backward: SchedulePalette.fill(.backward)
    case .input: SchedulePalette.fill(.input)
    case .weight: SchedulePalette.fill(.weight)
    case .optimizer: "#8a8a96"
    case .dispatch: "#d9604c"
    case .combine: "#96306b"
    case .send: "#3d3d46"
    case .collective: "#7b62b5"
    case .waiting: "#f3cdc6"
    }
  }

  static let styles =
    "<style>\n\(SchedulePalette.pageRules)\n.lane{fill:#f2f2f4}\n.small{font-size:10px}\n"
    + allCases.map { ".\($0.style){fill:\($0.fill)}\n" }.joined() + "</style>"
}
