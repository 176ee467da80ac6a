// A job while it runs: the ranks' beats, the last line of metrics.jsonl, and how long nothing has
// moved.

internal import CSystem
internal import Glibc
internal import JSON
internal import RunFiles

/// The last step that metrics.jsonl has.
struct LastStep: Equatable, Decodable {
  var step: Int
  var loss: Double

  /// Of a file that may be growing: the last whole line; nil when there is none.
  init?(path: String) {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    guard fseek(file, 0, SEEK_END) == 0 else { return nil }
    let size = ftell(file)
    let length = min(size, 1 << 14)
    guard length > 0, fseek(file, size - length, SEEK_SET) == 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: length)
    bytes.removeLast(length - fread(&bytes, 1, length, file))
    let newline = UInt8(ascii: "\n")
    guard let end = bytes.lastIndex(of: newline) else { return nil }
    let start = bytes[..<end].lastIndex(of: newline).map { $0 + 1 } ?? 0
    guard let line = try? JSONValue.decode(LastStep.self, from: Array(bytes[start..<end])) else {
      return nil
    }
    self = line
  }
}

struct JobWatch {
  private let directory: RunDirectory
  private let ranks: Int
  /// Beats that were there before the job began are of an earlier one.
  private let before: [ProcessIdentity?]
  private let memoryKillsBefore: Int
  private(set) var states: [RankState?]
  private(set) var lastStep: LastStep?
  /// A rank that died while others lived.
  private(set) var firstGone: Int?
  /// Seconds, of the monotonic clock, of the last sign of progress.
  private var lastProgress = JobWatch.clock
  private var seen = Signature()

  /// What changes when anything moves.
  private struct Signature: Equatable {
    var beats: [Int] = []
    var metricsBytes = 0
    var lines = 0
  }

  init(_ directory: RunDirectory, ranks: Int) {
    self.directory = directory
    self.ranks = ranks
    before = (0..<ranks).map { RankBeat(path: directory.rankBeat($0))?.identity }
    memoryKillsBefore = Self.memoryKills
    states = Array(repeating: nil, count: ranks)
    seen.metricsBytes = Self.bytes(of: directory.metrics)
  }

  static var clock: Double { Double(dsv3_nanoseconds()) / 1e9 }

  /// Seconds without any sign of progress.
  var stalled: Double { Self.clock - lastProgress }

  /// Whether a rank trains: it is in a step, or has written one.
  private(set) var hasStepped = false

  /// Looks at beats and metrics.
  /// - Parameter lines: lines that the job has said so far.
  mutating func look(lines: Int) {
    for rank in 0..<ranks {
      guard let beat = RankBeat(path: directory.rankBeat(rank)), beat.rank == rank,
        beat.identity != before[rank]
      else { continue }
      states[rank] = RankState(beat: beat, process: ProcessState(of: beat.identity))
    }
    if firstGone == nil, states.contains(where: { $0 != nil && $0?.process != .gone }) {
      firstGone = states.firstIndex { $0?.process == .gone && $0?.beat.phase != .finished }
    }
    let now = Signature(
      beats: states.map { $0?.beat.count ?? 0 }, metricsBytes: Self.bytes(of: directory.metrics),
      lines: lines)
    guard now != seen else { return }
    if now.metricsBytes != seen.metricsBytes { lastStep = LastStep(path: directory.metrics) }
    hasStepped =
      hasStepped || states.contains { ($0?.beat.step ?? 0) > 0 }
      || now.metricsBytes > max(seen.metricsBytes, 0)
    seen = now
    lastProgress = Self.clock
  }

  /// Ranks' processes on this host.
  var localProcesses: [Int32] {
    states.compactMap { state in
      guard let state, case .present = state.process else { return nil }
      return state.beat.pid
    }
  }

  func evidence(ending: ProcessEnding?, errors: [String]) -> JobEvidence {
    var evidence = JobEvidence(ranks: ranks)
    evidence.ending = ending
    evidence.stalled = stalled
    evidence.errors = errors
    evidence.states = states
    evidence.firstGone = firstGone
    evidence.memoryKills = Self.memoryKills - memoryKillsBefore
    evidence.stepsDone = LastStep(path: directory.metrics)?.step
    evidence.hasStarted = hasStepped
    let directory = directory
    evidence.log = { Self.lastLines(of: directory.rankLog($0)) }
    return evidence
  }

  /// The last lines of a file, of its last 8 KiB.
  static func lastLines(of path: String, count: Int = 30) -> [String] {
    guard let bytes = try? RunFile.contents(of: path) else { return [] }
    return String(decoding: bytes.suffix(8192), as: UTF8.self).split(separator: "\n")
      .suffix(count).map(String.init)
  }

  private static func bytes(of path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
  }

  /// Processes that the kernel has killed for want of memory since it started (/proc/vmstat), in
  /// whatever control group; 0 where it doesn't say.
  static var memoryKills: Int {
    guard let bytes = try? RunFile.contents(of: "/proc/vmstat") else { return 0 }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    where line.hasPrefix("oom_kill ") {
      return Int(line.dropFirst("oom_kill ".count)) ?? 0
    }
    return 0
  }
}

extension RankBeat {
  /// The process that wrote it.
  var identity: ProcessIdentity { ProcessIdentity(host: host, pid: pid, ticks: ticks) }
}

extension ProcessState {
  init(of process: ProcessIdentity) {
    guard let isAlive = ProcessTable.isAlive(process) else {
      self = .unknown
      return
    }
    guard isAlive, let bytes = try? RunFile.contents(of: "/proc/\(process.pid)/stat"),
      let end = bytes.lastIndex(of: UInt8(ascii: ")")), end + 2 < bytes.count
    else {
      self = .gone
      return
    }
    self = .present(Character(Unicode.Scalar(bytes[end + 2])))
  }
}
