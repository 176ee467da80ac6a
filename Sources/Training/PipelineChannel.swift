// Hidden states and their gradients between neighbour stages. Sends are buffered by keeping the
// tensor until the message is gone; receives are posted where the plan says and waited for where
// the value is used. Under BF16 and FP8 they travel in BF16, which they are rounded to anyway.

internal import Kernels
internal import MessagePassing
internal import ModelSpec
internal import RunFiles
internal import Schedules

final class PipelineChannel {
  private let world: Communicator
  private let layout: Layout
  private let clock: ActivityClock
  private let isLow: Bool
  private var arriving: [Message: (envelope: Envelope, transfer: Transfer, peer: Int)] = [:]
  private var leaving: [(Envelope, Transfer)] = []

  /// The numbers of a message as they travel.
  private enum Envelope {
    case numbers(Tensor)
    case codes(StoredMatrix)

    var bytes: UnsafeMutableRawBufferPointer {
      switch self {
      case .numbers(let tensor): UnsafeMutableRawBufferPointer(tensor.buffer)
      case .codes(let stored): .init(start: stored.codes, count: stored.codeBytes)
      }
    }

    func count(as category: MemoryCategory) {
      switch self {
      case .numbers(let tensor): tensor.count(as: category)
      case .codes(let stored): stored.count(as: category)
      }
    }

    var tensor: Tensor {
      switch self {
      case .numbers(let tensor): tensor
      case .codes(let stored): stored.load(for: .buffers)
      }
    }
  }

  init(world: Communicator, layout: Layout, precision: Precision, clock: ActivityClock) {
    self.world = world
    self.layout = layout
    self.clock = clock
    isLow = precision != .fp32
  }

  private func peer(_ pipelineRank: Int) -> Int {
    layout.worldRank(pipeline: pipelineRank, data: layout.dataRank(of: world.rank))
  }

  /// Posts the receive of a message [rows, columns].
  func receive(_ message: Message, in schedule: Schedule, rows: Int, columns: Int) throws {
    let envelope: Envelope =
      isLow
      ? .codes(StoredMatrix(rows, columns, .bf16, for: .buffers)) : .numbers(Tensor(rows, columns))
    let peer = peer(schedule.rank(of: message.source))
    let transfer = try world.receive(
      envelope.bytes, from: peer, tag: schedule.tag(of: message))
    arriving[message] = (envelope, transfer, peer)
  }

  func send(_ message: Message, _ tensor: Tensor, in schedule: Schedule) throws {
    try clock.during(.pipeline) {
      let envelope: Envelope =
        isLow ? .codes(StoredMatrix(tensor.matrix, .bf16, for: .buffers)) : .numbers(tensor)
      let transfer = try world.send(
        UnsafeRawBufferPointer(envelope.bytes),
        to: peer(schedule.rank(of: message.destination)), tag: schedule.tag(of: message))
      envelope.count(as: .sent)
      leaving.append((envelope, transfer))
    }
  }

  /// Waits for a message whose receive was posted; nil if there was none.
  func take(_ message: Message) throws -> Tensor? {
    guard let (envelope, transfer, peer) = arriving.removeValue(forKey: message) else {
      return nil
    }
    try clock.waiting(
      for: message.payload == .activation ? .activation : .gradient, peer: peer, .pipeline
    ) { try transfer.wait() }
    return envelope.tensor
  }

  /// Waits until everything sent has left.
  func finishSends() throws {
    try clock.waiting(for: .sends, .pipeline) {
      for (_, transfer) in leaving { try transfer.wait() }
    }
    leaving.removeAll(keepingCapacity: true)
  }

  /// Lets go of what has left.
  func dropFinishedSends() throws {
    if leaving.isEmpty { return }
    try clock.during(.pipeline) {
      for (_, transfer) in leaving where try transfer.test() {}
      leaving.removeAll { $0.1.isComplete }
    }
  }
}
