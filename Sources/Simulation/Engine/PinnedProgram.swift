// A compiled program in plain memory: the engine looks into it at every event, and arrays would
// count references each time.

internal import Workload

/// The steps of a `CompiledProgram`, at fixed addresses until `deallocate()`.
struct PinnedProgram {
  let segments: UnsafeBufferPointer<Segment>
  let pieces: UnsafeBufferPointer<SegmentPiece>
  let routed: UnsafeBufferPointer<RoutedStep>
  let exchanges: UnsafeBufferPointer<ExchangeStep>
  let sends: UnsafeBufferPointer<SendStep>
  let collectives: UnsafeBufferPointer<CollectiveStep>

  init(_ program: CompiledProgram) {
    segments = Self.pinned(program.segments)
    pieces = Self.pinned(program.pieces)
    routed = Self.pinned(program.routed)
    exchanges = Self.pinned(program.exchanges)
    sends = Self.pinned(program.sends)
    collectives = Self.pinned(program.collectives)
  }

  func deallocate() {
    segments.deallocate()
    pieces.deallocate()
    routed.deallocate()
    exchanges.deallocate()
    sends.deallocate()
    collectives.deallocate()
  }

  /// - Precondition: elements are plain values, which nobody has to deinitialise.
  private static func pinned<Element>(
    _ list: [Element]
  ) -> UnsafeBufferPointer<Element> {
    let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: max(list.count, 1))
    _ = memory.initialize(from: list)
    return UnsafeBufferPointer(start: memory.baseAddress, count: list.count)
  }
}
