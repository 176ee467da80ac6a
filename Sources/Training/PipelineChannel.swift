// Hidden states and their gradients between neighbour stages. Sends are buffered by keeping the
// tensor until the message is gone; receives are posted where the plan says and waited for where
// the value is used.

internal import Kernels
internal import MessagePassing
internal import ModelSpec
internal import Schedules

final class PipelineChannel {
  private let world: Communicator
  private let layout: Layout
  private let clock: ActivityClock
  private var arriving: [Message: (Tensor, Transfer)] = [:]
  private var leaving: [(Tensor, Transfer)] = []

  init(world: Communicator, layout: Layout, clock: ActivityClock) {
    self.world = world
    self.layout = layout
    self.clock = clock
  }

  private func peer(_ pipelineRank: Int) -> Int {
    layout.worldRank(pipeline: pipelineRank, data: layout.dataRank(of: world.rank))
  }

  /// Posts the receive of a message [rows, columns].
  func receive(_ message: Message, in schedule: Schedule, rows: Int, columns: Int) throws {
    let tensor = Tensor(rows, columns)
    let transfer = try world.receive(
      UnsafeMutableRawBufferPointer(tensor.buffer),
      from: peer(schedule.rank(of: message.source)), tag: schedule.tag(of: message))
    arriving[message] = (tensor, transfer)
  }

  func send(_ message: Message, _ tensor: Tensor, in schedule: Schedule) throws {
    try clock.during(.pipeline) {
      try dropFinishedSends()
      let transfer = try world.send(
        UnsafeRawBufferPointer(tensor.buffer),
        to: peer(schedule.rank(of: message.destination)), tag: schedule.tag(of: message))
      leaving.append((tensor, transfer))
    }
  }

  /// Waits for a message whose receive was posted; nil if there was none.
  func take(_ message: Message) throws -> Tensor? {
    guard let (tensor, transfer) = arriving.removeValue(forKey: message) else { return nil }
    try clock.during(.pipeline) { try transfer.wait() }
    return tensor
  }

  /// Waits until everything sent has left.
  func finishSends() throws {
    try clock.during(.pipeline) {
      for (_, transfer) in leaving { try transfer.wait() }
    }
    leaving.removeAll(keepingCapacity: true)
  }

  private func dropFinishedSends() throws {
    while let (_, transfer) = leaving.first, transfer.isComplete { leaving.removeFirst() }
  }
}
