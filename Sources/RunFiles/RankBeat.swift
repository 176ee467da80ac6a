// What a rank does at this moment, in a small file that it keeps in memory: a beat is a few stores
// and no system call, and what was stored outlives the process. Whoever supervises the job reads
// where each rank stands, who waits for whom, and whether anybody still moves.

internal import CSystem
internal import Glibc

/// A rank's state when the file was read.
package struct RankBeat: Equatable, Sendable {
  /// What the rank is in; the raw values are the file's.
  package enum Phase: Int64, Sendable, CaseIterable {
    case starting, schedule, gradients, optimizer, balance, pricing, checkpoint, evaluation
    case finished, failed
  }

  /// What it waits for, if for anything.
  package enum Wait: Int64, Sendable, CaseIterable {
    case nothing, activation, gradient, sends, dispatch, combine, collective
  }

  package var rank: Int
  package var pid: Int32
  /// When the process began, as `ProcessIdentity.ticks`.
  package var ticks: Int
  package var host: String
  /// Beats so far: a rank whose number stands still doesn't move.
  package var count: Int
  /// Of the last beat, in seconds since 1970.
  package var time: Double
  package var phase: Phase
  /// The step it is in, from 1; 0 before the first.
  package var step: Int
  /// Actions of the schedule's list that it has done in this step: it is in the next.
  package var actionsDone: Int
  package var wait: Wait
  /// World rank it waits for; nil where that is several or none.
  package var peer: Int?
  /// Bytes of its tensors at the last step's peak, and resident bytes of the process.
  package var tensorBytes: Int
  package var residentBytes: Int

  /// Reads a rank's file; nil where there is none or it isn't whole.
  package init?(path: String) {
    guard let bytes = try? RunFile.contents(of: path), bytes.count >= BeatLayout.bytes else {
      return nil
    }
    func value(_ field: BeatLayout) -> Int64 {
      bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: field.offset, as: Int64.self) }
    }
    guard value(.magic) == BeatLayout.magicNumber, let phase = Phase(rawValue: value(.phase)),
      let wait = Wait(rawValue: value(.wait))
    else { return nil }
    rank = Int(value(.rank))
    pid = Int32(truncatingIfNeeded: value(.pid))
    ticks = Int(value(.ticks))
    count = Int(value(.count))
    time = Double(value(.nanoseconds)) / 1e9
    self.phase = phase
    step = Int(value(.step))
    actionsDone = Int(value(.actionsDone))
    self.wait = wait
    peer = value(.peer) < 0 ? nil : Int(value(.peer))
    tensorBytes = Int(value(.tensorBytes))
    residentBytes = Int(value(.residentBytes))
    let name = bytes[BeatLayout.host..<BeatLayout.bytes].prefix { $0 != 0 }
    host = String(decoding: name, as: UTF8.self)
  }
}

/// Where each number stands in the file, little-endian, eight bytes each; then the host's name.
enum BeatLayout: Int, CaseIterable {
  case magic, rank, pid, ticks, count, nanoseconds, phase, step, actionsDone, wait, peer
  case tensorBytes, residentBytes

  var offset: Int { rawValue * 8 }
  static let host = 128
  static let bytes = 256
  /// "DSV3BT01".
  static let magicNumber: Int64 = 0x3130_5442_3356_5344
}

/// The writing end, of the rank itself.
package final class BeatWriter {
  private let memory: UnsafeMutableRawPointer
  private var count: Int64 = 0

  /// Makes the file anew.
  package init(path: String, rank: Int) throws(RunFileError) {
    let file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw RunFileError("write", path) }
    defer { close(file) }
    // Returns its error, where others set errno. A page that isn't there would be a SIGBUS later.
    let shortage = posix_fallocate(file, 0, off_t(BeatLayout.bytes))
    if shortage != 0 { errno = shortage }
    guard shortage == 0,
      let memory = mmap(nil, BeatLayout.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0),
      memory != MAP_FAILED
    else { throw RunFileError("write", path) }
    self.memory = memory
    let own = ProcessTable.own
    set(.rank, Int64(rank))
    set(.pid, Int64(own.pid))
    set(.ticks, Int64(own.ticks))
    set(.peer, -1)
    for (place, byte) in own.host.utf8.prefix(BeatLayout.bytes - BeatLayout.host - 1).enumerated() {
      memory.storeBytes(of: byte, toByteOffset: BeatLayout.host + place, as: UInt8.self)
    }
    set(.magic, BeatLayout.magicNumber)
    beat()
  }

  deinit { munmap(memory, BeatLayout.bytes) }

  /// The rank goes into another phase, waiting for nobody.
  package func enter(_ phase: RankBeat.Phase) {
    set(.phase, phase.rawValue)
    proceed()
  }

  /// It begins a step: none of the schedule's actions is done.
  package func begin(step: Int) {
    set(.step, Int64(step))
    set(.actionsDone, 0)
    enter(.schedule)
  }

  /// So many actions of its list are done.
  package func did(actions: Int) {
    set(.actionsDone, Int64(actions))
    beat()
  }

  /// It is going to wait.
  package func wait(_ wait: RankBeat.Wait, peer: Int? = nil) {
    set(.wait, wait.rawValue)
    set(.peer, peer.map(Int64.init) ?? -1)
    beat()
  }

  /// It waits no longer.
  package func proceed() { wait(.nothing) }

  package func memory(tensorBytes: Int, residentBytes: Int) {
    set(.tensorBytes, Int64(tensorBytes))
    set(.residentBytes, Int64(residentBytes))
  }

  private func beat() {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    set(.nanoseconds, Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    count += 1
    set(.count, count)
  }

  private func set(_ field: BeatLayout, _ value: Int64) {
    memory.storeBytes(of: value, toByteOffset: field.offset, as: Int64.self)
  }
}
