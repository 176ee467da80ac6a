// What happened when on the ranks one wants to look at, and the longest waits for exchanges.

package import Units
package import Workload

/// Something that a stream of a rank did.
package struct TimelineEvent: Hashable, Sendable {
  package var worldRank: Int
  package var stream: Stream
  /// Numbers of the rank's operations: several for compute that nothing came between.
  package var operations: Range<Int>
  package var start: VirtualInstant
  package var end: VirtualInstant
  /// When the rank was ready for it; before `start` where it waited for others.
  package var ready: VirtualInstant
  /// What it puts on the rank's ports.
  package var bytes: PortBytes
}

/// Bytes over the ports of one GPU: of an exchange in the busier direction, of a message out of the
/// sender's.
package struct PortBytes: Hashable, Sendable {
  /// Over its NIC, and over NVLink.
  package var network: Int64
  package var nvlink: Int64

  package init(network: Int64, nvlink: Int64) {
    self.network = network
    self.nvlink = nvlink
  }

  package static let zero = PortBytes(network: 0, nvlink: 0)
}

/// The recorded events of a simulation, in the order in which they ended.
package struct Timeline: Sendable {
  package var events: [TimelineEvent]
  package var end: VirtualInstant

  package init(events: [TimelineEvent], end: VirtualInstant) {
    self.events = events
    self.end = end
  }
}

/// A compute stream that had to wait for an exchange.
package struct Exposure: Hashable, Sendable {
  package var picoseconds: Int64
  package var worldRank: Int32
  /// The exchange, and what waited for it.
  package var operation: Operation
  package var waiting: Operation
  /// The part spent at the barrier, waiting for other ranks, of which `lastRank` came last.
  package var barrier: Int64
  package var lastRank: Int32
  package var start: Int64
}

/// Keeps the longest waits.
struct ExposureList {
  static let length = 10
  private(set) var longest: [Exposure] = []
  /// What a wait must exceed to be among them.
  private(set) var least: Int64 = 0

  mutating func add(_ exposure: Exposure) {
    let place =
      longest.firstIndex { $0.picoseconds < exposure.picoseconds } ?? longest.endIndex
    longest.insert(exposure, at: place)
    if longest.count > Self.length { longest.removeLast() }
    if longest.count == Self.length { least = longest[Self.length - 1].picoseconds }
  }
}

/// Collects events of chosen ranks.
final class TimelineRecorder {
  private let ranks: Set<Int>?
  private(set) var events: [TimelineEvent] = []

  /// - Parameter ranks: world ranks; nil for all.
  init(ranks: Set<Int>?) { self.ranks = ranks }

  /// Makes room for so many events, so that millions need not move.
  func reserve(_ count: Int) { events.reserveCapacity(count) }

  func wants(_ rank: Int) -> Bool { ranks?.contains(rank) ?? true }

  func record(
    rank: Int32, stream: Stream, operations: Range<Int32>, start: Int64, end: Int64, ready: Int64,
    bytes: PortBytes = .zero
  ) {
    events.append(
      TimelineEvent(
        worldRank: Int(rank), stream: stream,
        operations: Int(operations.lowerBound)..<Int(operations.upperBound),
        start: VirtualInstant(picoseconds: start), end: VirtualInstant(picoseconds: end),
        ready: VirtualInstant(picoseconds: ready),
        bytes: bytes))
  }
}

/// Bytes over the links, all ranks together.
struct LinkTraffic {
  var network: Int64 = 0
  var nvlink: Int64 = 0

  mutating func add(_ rows: ExchangeRows.Total, rowBytes: Int) {
    network += rows.network * Int64(rowBytes)
    nvlink += rows.nvlink * Int64(rowBytes)
  }
}
