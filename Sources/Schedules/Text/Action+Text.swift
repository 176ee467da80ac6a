// The one-token text form of an action, as PyTorch's pipeline CSV has it: stage, kind,
// micro-batch; for a pair, both in a bracket.

extension Action: CustomStringConvertible {
  /// The text form: `2F0`, `1I3`, `2SEND_F0`, `(0F8;7B4)OVERLAP_F_B`. `ActionParser` reads it
  /// back.
  package var description: String {
    switch self {
    case .forward(let cell): cell.text("F")
    case .backward(let cell): cell.text("B")
    case .backwardInput(let cell): cell.text("I")
    case .backwardWeight(let cell): cell.text("W")
    case .overlapped: "(\(shortText))OVERLAP_F_B"
    case .sendForward(let cell): cell.text("SEND_F")
    case .receiveForward(let cell): cell.text("RECV_F")
    case .sendBackward(let cell): cell.text("SEND_B")
    case .receiveBackward(let cell): cell.text("RECV_B")
    }
  }

  /// The text form, a pair without its brackets and name: `0F8;7B4`.
  var shortText: String {
    if case .overlapped(let forward, let backward) = self {
      return forward.text("F") + ";" + backward.text("B")
    }
    return description
  }
}

extension Cell {
  fileprivate func text(_ kind: String) -> String { "\(stage)\(kind)\(microbatch)" }
}

extension Action {
  /// Reads one action's text form; spaces and tabs around it are ignored.
  ///
  /// - Throws: `ScheduleError` of rule `text` or `size` when `text` is anything but exactly one
  ///   action, with what is wrong and what would be right.
  package init(parsing text: String) throws(ScheduleError) {
    let bytes = Array(text.utf8)
    guard case .action(let action) = try ActionParser(bytes[...]).parse() else {
      throw ScheduleError(
        .text, "`\(text)` is not an action of a schedule; one looks like `2F0`")
    }
    self = action
  }
}
