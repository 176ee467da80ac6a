// All messages of a rank that are under way, and the one way to wait for any of them: look a few
// times, then sleep on the doorbell. With 16 ranks on 2 cores, a rank that waits by polling takes
// its fair share of the processor from those that compute, however politely it yields.

import COpenMPI
import CSystem

/// What a rank did with its time in this room. Counts since the start.
package struct MessageStatistics: Sendable, Equatable {
  /// Wall-clock (monotonic) nanoseconds inside blocking waits.
  package var waitNanoseconds = 0
  /// Waits that didn't find their message already there.
  package var waits = 0
  /// Times the rank went to sleep, and how many of these ended by the clock instead of a ring.
  package var sleeps = 0
  package var timeouts = 0
  /// Messages sent, and their bytes.
  package var messages = 0
  package var bytes = 0
}

/// Messages that aren't complete yet.
struct Missing {
  var sends = 0
  var receives = 0

  var isNothing: Bool { sends == 0 && receives == 0 }

  static func + (a: Missing, b: Missing) -> Missing {
    Missing(sends: a.sends + b.sends, receives: a.receives + b.receives)
  }
}

/// The table of requests under way and the waiting policy. One per process; not thread-safe.
final class Waiter {
  private struct Entry {
    var transfer: Unmanaged<Transfer>
    /// The other side's slot on the doorbell, or -1.
    var peer: Int32
    var isReceive: Bool
    /// How often to wake the other side before sleeping, see `MPIEnvironment.wakes`.
    var wakes: Int32
  }

  /// Shortest and longest sleep without a ring, in nanoseconds. The clock is only for what nobody
  /// rings for: ranks on other machines, and hand-shakes inside MPI.
  private static let shortestSleep: Int64 = 500_000
  private static let longestSleep: Int64 = 8_000_000
  private static let longestRemoteSleep: Int64 = 100_000

  var statistics = MessageStatistics()
  /// Set on the way out after a failure: transfers that are dropped then don't trap.
  var isGivenUp = false
  /// Exchanges that have messages to forward when others have arrived.
  var relays: [ExchangeInFlight] = []

  let doorbell: Doorbell?
  private let spinNanoseconds: Int64
  private let longestSleep: Int64
  /// Whether nothing can arrive that nobody rings for.
  private let ringsTellAll: Bool
  private var ringsAtProgress: UInt32 = 0
  /// Whether large messages are copied by the receiver alone.
  private let copiesInOneStep = MPIEnvironment.copiesInOneStep

  private var capacity = 64
  private var count = 0
  private var requests: UnsafeMutablePointer<MPI_Request?>
  private var statuses: UnsafeMutablePointer<MPI_Status>
  private var indices: UnsafeMutablePointer<Int32>
  private var entries: UnsafeMutablePointer<Entry>

  /// `spinNanoseconds`: how long to look before the first sleep; `hasRemotePeers`: some ranks can't
  /// ring, so sleep short.
  init(doorbell: Doorbell?, spinNanoseconds: Int64, hasRemotePeers: Bool) {
    self.doorbell = doorbell
    self.spinNanoseconds = spinNanoseconds
    longestSleep =
      hasRemotePeers || doorbell == nil ? Self.longestRemoteSleep : Self.longestSleep
    ringsTellAll = !hasRemotePeers && copiesInOneStep
    requests = .allocate(capacity: capacity)
    statuses = .allocate(capacity: capacity)
    indices = .allocate(capacity: capacity)
    entries = .allocate(capacity: capacity)
  }

  deinit {
    requests.deallocate()
    statuses.deallocate()
    indices.deallocate()
    entries.deallocate()
  }

  // MARK: The table

  /// Adds a request that MPI has just returned.
  @inline(__always)
  func add(
    _ request: MPI_Request?, to transfer: Transfer, peer: Int32, bytes: Int, isReceive: Bool
  ) {
    if count == capacity { grow() }
    requests[count] = request
    entries[count] = Entry(
      transfer: .passUnretained(transfer), peer: peer, isReceive: isReceive,
      wakes: copiesInOneStep || peer < 0 ? 0 : MPIEnvironment.wakes(bytes: bytes))
    count += 1
    if isReceive { transfer.missing.receives += 1 } else { transfer.missing.sends += 1 }
  }

  /// What is left of transfers that were dropped on the way out; never read.
  private lazy var orphanage = Transfer(waiter: self)

  /// Messages of a transfer that is dropped after a failure end on one that stays.
  func adoptMessages(of dropped: Unmanaged<Transfer>) {
    for index in 0..<count where entries[index].transfer.toOpaque() == dropped.toOpaque() {
      entries[index].transfer = .passUnretained(orphanage)
    }
  }

  private func grow() {
    let larger = capacity * 2
    requests = Self.moved(requests, count, larger)
    entries = Self.moved(entries, count, larger)
    statuses.deallocate()
    indices.deallocate()
    statuses = .allocate(capacity: larger)
    indices = .allocate(capacity: larger)
    capacity = larger
  }

  private static func moved<T>(
    _ old: UnsafeMutablePointer<T>, _ count: Int, _ capacity: Int
  ) -> UnsafeMutablePointer<T> {
    let new = UnsafeMutablePointer<T>.allocate(capacity: capacity)
    new.moveInitialize(from: old, count: count)
    old.deallocate()
    return new
  }

  /// Looks once for completed requests, and lets exchanges forward what arrived. MPI moves data
  /// only inside this call. Whether anything was complete.
  @discardableResult
  func pollOnce() throws(MPIError) -> Bool {
    guard count > 0 else { return false }
    var completed: Int32 = 0
    let code = MPI_Testsome(Int32(count), requests, &completed, indices, statuses)
    if code != MPI_SUCCESS { throw failure(code, completed) }
    guard completed > 0 else { return false }
    for position in 0..<Int(completed) {
      try complete(Int(indices[position]), statuses + position)
    }
    removeCompleted()
    try advanceRelays()
    return true
  }

  /// Looks until there is no news, or nothing is `missing`: then true. (A look without news makes
  /// MPI move data, so that only the next one tells.)
  @inline(__always)
  private func look(for missing: () -> Missing) throws(MPIError) -> Bool {
    var idle = 0
    while idle < 2 {
      if try pollOnce() {
        if missing().isNothing { return true }
        idle = 0
      } else {
        idle += 1
      }
    }
    return missing().isNothing
  }

  /// Looks until there is no news.
  func poll() throws(MPIError) { _ = try look { Missing(sends: 1) } }

  /// As `poll`, but free of charge if nobody rang since the last time: for between two pieces of
  /// compute. (A look into MPI also gives the processor to ranks that wait for it.)
  func progress() throws(MPIError) {
    if let doorbell, ringsTellAll {
      let rings = doorbell.rings
      if rings == ringsAtProgress { return }
      ringsAtProgress = rings
    }
    try poll()
  }

  private func complete(
    _ index: Int, _ status: UnsafeMutablePointer<MPI_Status>
  ) throws(MPIError) {
    let entry = entries[index]
    let transfer = entry.transfer.takeUnretainedValue()
    guard entry.isReceive else {
      transfer.missing.sends -= 1
      return
    }
    transfer.missing.receives -= 1
    var bytes: Int32 = 0
    try check(MPI_Get_count(status, dsv3_byte(), &bytes), "MPI_Get_count")
    transfer.receivedBytes += Int(bytes)
    if entry.peer >= 0, Int(bytes) >= MPIEnvironment.smallestHandshake {
      doorbell?.ring(entry.peer)
    }
  }

  private func removeCompleted() {
    let null = dsv3_request_null()
    var kept = 0
    for index in 0..<count where requests[index] != null {
      if kept != index {
        requests[kept] = requests[index]
        entries[kept] = entries[index]
      }
      kept += 1
    }
    count = kept
  }

  private func failure(_ code: Int32, _ completed: Int32) -> MPIError {
    isGivenUp = true
    if code == MPI_ERR_IN_STATUS {
      for position in 0..<max(0, Int(completed)) {
        let status = statuses[position]
        if status.MPI_ERROR != MPI_SUCCESS, status.MPI_ERROR != MPI_ERR_PENDING {
          return MPIError(
            code: status.MPI_ERROR, call: "MPI_Testsome",
            context: "message from rank \(status.MPI_SOURCE), tag \(status.MPI_TAG)")
        }
      }
    }
    return MPIError(code: code, call: "MPI_Testsome", context: "\(count) messages under way")
  }

  private func advanceRelays() throws(MPIError) {
    var index = 0
    while index < relays.count {
      if try relays[index].advance() {
        relays.remove(at: index)
      } else {
        index += 1
      }
    }
  }

  // MARK: Waiting

  /// Returns when nothing is `missing`: the messages that must yet be complete.
  @inline(__always)
  func wait(for missing: () -> Missing) throws(MPIError) {
    if missing().isNothing { return }
    if try look(for: missing) { return }
    statistics.waits += 1
    let began = dsv3_nanoseconds()
    var sleep = Self.shortestSleep
    var mayLook = spinNanoseconds > 0
    while true {
      let seen = doorbell?.rings ?? 0
      if try look(for: missing) { break }
      if mayLook {
        mayLook = dsv3_nanoseconds() - began < spinNanoseconds
        continue
      }
      block(for: missing(), seen: seen, sleep: &sleep)
    }
    statistics.waitNanoseconds += Int(dsv3_nanoseconds() - began)
  }

  private func block(for missing: Missing, seen: UInt32, sleep: inout Int64) {
    precondition(count > 0, "waiting for messages with none under way: nothing can end this wait")
    statistics.sleeps += 1
    sleep = min(sleep, longestSleep)
    guard let doorbell else {
      var pause = timespec(tv_sec: 0, tv_nsec: Int(sleep))
      nanosleep(&pause, nil)
      return
    }
    if !copiesInOneStep { wakePeers(doorbell) }
    if doorbell.sleep(seen: seen, count: ringsWorthWaking(missing), nanoseconds: sleep) {
      statistics.timeouts += 1
      sleep *= 2
    }
  }

  /// Without single copy, a large message moves in fragments, handed over in turns: whoever is
  /// about to sleep wakes the other side, as often as the message can have fragments.
  private func wakePeers(_ doorbell: Doorbell) {
    for index in 0..<count where entries[index].wakes > 0 {
      entries[index].wakes -= 1
      doorbell.ring(entries[index].peer)
    }
  }

  /// Every message that arrives rings once: as long as fewer rings came than messages are missing,
  /// there is nothing to wake for, unless a relay can go on. (Sends don't count: they may be taken
  /// unexpectedly, without a ring.)
  private func ringsWorthWaking(_ missing: Missing) -> Int {
    guard copiesInOneStep else { return 1 }
    var rings = missing.receives
    for relay in relays { rings = min(rings, relay.missingBeforeForward) }
    return max(rings, 1)
  }
}
