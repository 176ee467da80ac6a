// All that the dashboard knows of one run, and the replies made of it, each made once for all who
// ask until something changes.

internal import JSON
internal import RunFiles

struct RunReader {
  let directory: RunDirectory
  private(set) var snapshot: RunSnapshot
  private(set) var metrics = MetricsTable()
  private var metricsFile: LineFollower
  private var loadsFile: LineFollower
  /// The last line of loads.jsonl.
  private(set) var loads: [UInt8] = []
  private(set) var report: FileCopy
  private(set) var timeline: FileCopy
  private(set) var configuration: FileCopy
  /// Of the last look, by `MonotonicClock`.
  private var looked = -Double.infinity
  private var replies: [String: WebReply] = [:]

  init(_ directory: RunDirectory) {
    self.directory = directory
    snapshot = RunSnapshot(directory)
    metricsFile = LineFollower(path: directory.metrics)
    loadsFile = LineFollower(path: directory.loads)
    report = FileCopy(path: directory.report)
    timeline = FileCopy(path: directory.timeline)
    configuration = FileCopy(path: directory.path + "/config.yaml")
  }

  var name: String { directory.name }

  /// The last step that is done; nil before the first.
  var step: Int? { metrics.last("step").map { Int($0) } }

  /// Looks at the files unless it just did.
  mutating func update(in files: ContainedFiles, atMostEvery seconds: Double) {
    let now = MonotonicClock.seconds
    guard now - looked >= seconds else { return }
    looked = now
    replies = [:]
    var table = metrics
    metrics = MetricsTable()
    metricsFile.update(
      in: files, restart: { table.removeAll() }, line: { table.append($0) })
    metrics = table
    var last = loads
    loadsFile.update(in: files, restart: { last = [] }, line: { last = Array($0) })
    loads = last
    report.update(in: files)
    timeline.update(in: files)
    configuration.update(in: files)
    snapshot.update(step: step, configurationFile: configuration)
  }

  /// The reply known as `key`, made now unless somebody asked for it since the last look.
  mutating func reply(
    _ key: String, _ make: (RunReader) throws(WebRefusal) -> WebReply
  ) throws(WebRefusal) -> WebReply {
    if let known = replies[key] { return known }
    let made = try make(self)
    // Who asks for other rows than all the rest has no place of their own here.
    if replies.count < 64 { replies[key] = made }
    return made
  }
}
