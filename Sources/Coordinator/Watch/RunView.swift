// A run as its directory shows it, read again and again at little cost: what changed is read, what
// grew is read from where it ended. The monitor, the dashboard and the list of runs are made of it.

internal import CSystem
internal import Glibc
package import JSON
internal import ModelSpec
package import RunConfiguration
package import RunFiles

package struct RunView: Sendable {
  /// How much of metrics.jsonl is kept.
  package enum Depth: Sendable {
    case allSteps
    /// The last step's line alone, which is found from the end of the file.
    case lastStep
  }

  package let directory: RunDirectory
  private let depth: Depth
  private var reader: MetricsReader
  private var stamps: [String: FileStamp] = [:]
  private var lastStep: StepMetrics?
  private var pace = StepPace()

  /// Whether the directory is there: it may be deleted while somebody looks.
  package private(set) var isThere = false
  package private(set) var state = RunState.unknown
  /// Nil for a run that mpirun alone started.
  package private(set) var record: RunRecord?
  package private(set) var events: [RunEvent] = []
  /// What each rank does, by rank.
  package private(set) var beats: [RankBeat] = []
  /// Whether the process of each of `beats` lives; nil where that can't be told from here.
  package private(set) var ranksLive: [Bool?] = []
  /// Of the last step that has them.
  package private(set) var loads: ExpertLoads?
  /// report.json, as the virtual clock wrote it last.
  package private(set) var report: JSONValue?
  /// Nil when config.yaml isn't there or is of another version.
  package private(set) var configuration: RunConfiguration?
  /// When the last look was, in seconds since 1970.
  package private(set) var time = 0.0
  /// When the metrics were last written, or before the first step the configuration.
  package private(set) var lastWritten: Double?

  /// Nothing is read before the first `update`.
  package init(_ directory: RunDirectory, depth: Depth = .allSteps) {
    self.directory = directory
    self.depth = depth
    reader = MetricsReader(path: directory.metrics)
  }

  /// Reads what has changed.
  /// - Parameter now: seconds since 1970.
  package mutating func update(now: Double = RunFile.now) {
    time = now
    isThere = FileStamp(path: directory.path) != nil
    if changed(directory.record) { record = try? RunRecord(path: directory.record) }
    if changed(directory.events) { events = RunEvent.all(at: directory.events) }
    if changed(directory.loads) { loads = ExpertLoads.last(of: directory.loads) }
    if changed(directory.report) { report = Self.json(directory.report) }
    let settings = directory.path + "/config.yaml"
    if changed(settings) {
      configuration =
        stamps[settings] == nil ? nil : try? RunConfiguration.load(path: settings)
    }
    readMetrics()
    readBeats()
    lastWritten = (stamps[directory.metrics] ?? stamps[settings])?.time
    if let step = latest?.step { pace.saw(step: step, restarts: restarts, at: now) }
    state = RunState(signs)
  }

  private mutating func readMetrics() {
    guard changed(directory.metrics) else { return }
    switch depth {
    case .allSteps: reader.follow()
    case .lastStep:
      lastStep = LineTail.lastLine(of: directory.metrics).flatMap { try? StepMetrics(line: $0) }
    }
  }

  private mutating func readBeats() {
    let folder = directory.path + "/ranks"
    beats = RunFolder.names(in: folder).filter { $0.hasSuffix(".beat") }
      .compactMap { RankBeat(path: "\(folder)/\($0)") }.sorted { $0.rank < $1.rank }
    ranksLive = beats.map {
      ProcessTable.isAlive(ProcessIdentity(host: $0.host, pid: $0.pid, ticks: $0.ticks))
    }
  }

  /// Whether a file is another than at the last look; also when it has gone.
  private mutating func changed(_ path: String) -> Bool {
    let stamp = FileStamp(path: path)
    defer { stamps[path] = stamp }
    return stamp != stamps[path]
  }

  private static func json(_ path: String) -> JSONValue? {
    (try? RunFile.contents(of: path)).flatMap { try? JSONValue(parsing: $0) }
  }

  private var signs: RunState.Signs {
    RunState.Signs(
      record: record, coordinatorLives: record.flatMap { ProcessTable.isAlive($0.coordinator) },
      beats: beats, ranksLive: ranksLive, step: latest?.step ?? 0, total: totalSteps,
      age: lastWritten.map { time - $0 }, secondsPerStep: latest?.wallSeconds)
  }
}

extension RunView {
  package var name: String { directory.name }

  /// All steps; with `.lastStep`, that one.
  package var steps: [StepMetrics] {
    depth == .allSteps ? reader.steps : lastStep.map { [$0] } ?? []
  }

  package var latest: StepMetrics? { depth == .allSteps ? reader.steps.last : lastStep }

  /// Steps of the plan, if that is known.
  package var totalSteps: Int? {
    record.map(\.steps).flatMap { $0 > 0 ? $0 : nil } ?? configuration?.plan.steps
  }

  package var ranks: Int? {
    record?.ranks ?? configuration.map { $0.layout.pipeline * $0.layout.data }
      ?? (beats.isEmpty ? nil : beats.count)
  }

  /// Times that the job was started again.
  package var restarts: Int {
    record?.restarts ?? events.count { $0.kind == .restart }
  }

  /// What went wrong, the first cause of each.
  package var failures: [RunEvent] { events.filter { $0.kind == .failure } }

  /// When it began: by its record, else when its directory was made.
  package var started: Double? { record?.started ?? born }

  /// When the directory was made, in seconds since 1970; nil where the file system doesn't know.
  package var born: Double? {
    let seconds = dsv3_birth_time(directory.path)
    return seconds > 0 ? seconds : nil
  }

  /// Seconds that a step takes: as seen since the last restart, with all that is not a part of the
  /// step itself; before several have been seen, what the last steps took by themselves.
  package var secondsPerStep: Double? {
    pace.secondsPerStep ?? LossCurve.median(steps.suffix(20).map(\.wallSeconds))
  }

  /// Seconds that are left at this speed; nil when it doesn't run or no end is known.
  package var secondsLeft: Double? {
    guard state == .running, let total = totalSteps, let step = latest?.step,
      let pace = secondsPerStep
    else { return nil }
    return Double(max(0, total - step)) * pace
  }

  /// Seconds since anything was heard of the ranks.
  package var silence: Double? {
    let heard = (beats.map(\.time) + [lastWritten].compactMap { $0 }).max()
    return heard.map { max(0, time - $0) }
  }
}

/// How fast steps come, by whoever watches them come.
private struct StepPace {
  private var first: (step: Int, time: Double)?
  private var last: (step: Int, time: Double)?
  private var restarts = 0
  /// Fewer steps say little: looks come at their own times.
  private static let leastSteps = 3

  /// A step was there at a time.
  mutating func saw(step: Int, restarts: Int, at time: Double) {
    if restarts != self.restarts || step < (last?.step ?? 0) { (first, last) = (nil, nil) }
    self.restarts = restarts
    guard step != last?.step else { return }
    // What was there at the first look came at an unknown time before.
    if last != nil && first == nil { first = (step, time) }
    last = (step, time)
  }

  var secondsPerStep: Double? {
    guard let first, let last, last.step - first.step >= Self.leastSteps else { return nil }
    return (last.time - first.time) / Double(last.step - first.step)
  }
}
