// What a rank does next, as data: one compute step, or one half of a message to a neighbour stage.
// The vocabulary is that of PyTorch's pipeline CSV (torch.distributed.pipelining), so that a file
// written there means the same here. A trainer performs these; it decides nothing.

/// One micro-batch in one stage: the unit of pipeline work.
package struct Cell: Hashable, Sendable {
  /// Global stage, 0 at the embedding; not the rank, and not the rank's own chunk number.
  package var stage: Int
  /// Global micro-batch, counted from 0 over both directions of a bidirectional schedule.
  package var microbatch: Int

  package init(stage: Int, microbatch: Int) {
    self.stage = stage
    self.microbatch = microbatch
  }

  /// The same micro-batch one stage further down the model.
  package var next: Cell { Cell(stage: stage + 1, microbatch: microbatch) }
  /// The same micro-batch one stage nearer to the embedding.
  package var previous: Cell { Cell(stage: stage - 1, microbatch: microbatch) }
}

/// One entry of a rank's list. Hashable, and with a text form that round-trips (`description`).
package enum Action: Hashable, Sendable {
  /// `2F0`: forward of the stage on the micro-batch.
  case forward(Cell)
  /// `2B0`: full backward, gradients of input and weights in one.
  case backward(Cell)
  /// `2I0`: the half of a split backward that makes the gradient of the input.
  case backwardInput(Cell)
  /// `2W0`: the half of a split backward that makes the gradients of the weights.
  case backwardWeight(Cell)
  /// `(0F8;7B4)OVERLAP_F_B`: a forward and a full backward run as one unit, each hiding the
  /// other's communication (DeepSeek-V3 report, figure 4).
  case overlapped(forward: Cell, backward: Cell)
  /// `2SEND_F0`: the output of stage 2 leaves for the rank that runs stage 3.
  case sendForward(Cell)
  /// `3RECV_F0`: the input of stage 3 comes from the rank that ran stage 2.
  case receiveForward(Cell)
  /// `3SEND_B0`: the gradient of stage 3's input leaves for the rank that ran stage 2.
  case sendBackward(Cell)
  /// `2RECV_B0`: the gradient of stage 2's output comes from the rank that runs stage 3.
  case receiveBackward(Cell)
}

extension Action {
  /// The cell it forwards, alone or in a pair.
  package var forwarded: Cell? {
    switch self {
    case .forward(let cell), .overlapped(let cell, _): cell
    default: nil
    }
  }

  /// The cell whose input gradient it makes: `B`, `I`, or the backward of a pair.
  package var backwarded: Cell? {
    switch self {
    case .backward(let cell), .backwardInput(let cell), .overlapped(_, let cell): cell
    default: nil
    }
  }

  /// The cells it names: two for a pair, one otherwise.
  package var cells: [Cell] {
    switch self {
    case .forward(let cell), .backward(let cell), .backwardInput(let cell),
      .backwardWeight(let cell), .sendForward(let cell), .receiveForward(let cell),
      .sendBackward(let cell), .receiveBackward(let cell):
      [cell]
    case .overlapped(let forward, let backward): [forward, backward]
    }
  }

  /// Whether it is a send or a receive.
  package var isCommunication: Bool { message != nil }

  /// The message it sends or receives, the same value at both ends.
  package var message: Message? {
    switch self {
    case .sendForward(let cell): Message(payload: .activation, source: cell)
    case .receiveForward(let cell): Message(payload: .activation, source: cell.previous)
    case .sendBackward(let cell): Message(payload: .gradient, source: cell)
    case .receiveBackward(let cell): Message(payload: .gradient, source: cell.next)
    default: nil
    }
  }

  /// Whether it is the sending half of a message.
  package var isSend: Bool {
    switch self {
    case .sendForward, .sendBackward: true
    default: false
    }
  }
}

/// What crosses from one stage to its neighbour. Payload and source together are unique within a
/// step, so both ends can match a message by them alone, whatever else is under way between them.
package struct Message: Hashable, Sendable {
  package enum Payload: Hashable, Sendable {
    /// The output of a forward, to the next stage.
    case activation
    /// The gradient of a stage's input, to the previous stage.
    case gradient
  }

  package var payload: Payload
  /// The cell that made the value.
  package var source: Cell

  package init(payload: Payload, source: Cell) {
    self.payload = payload
    self.source = source
  }

  /// The cell that uses the value.
  package var destination: Cell { payload == .activation ? source.next : source.previous }
  /// The action that sends it.
  package var send: Action {
    payload == .activation ? .sendForward(source) : .sendBackward(source)
  }
  /// The action that receives it.
  package var receive: Action {
    payload == .activation ? .receiveForward(destination) : .receiveBackward(destination)
  }
}
