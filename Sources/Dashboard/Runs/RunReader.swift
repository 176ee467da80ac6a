// All that the dashboard knows of one run, and the replies made of it, each made once for all who
// ask until something changes.

internal import Coordinator
internal import JSON
internal import RunFiles

struct RunReader {
  let directory: RunDirectory
  /// What it is doing; the figures of its steps are in `metrics`.
  private(set) var view: RunView
  private(set) var metrics = MetricsTable()
  private var metricsFile: LineTail
  private var loadsFile: LineTail
  /// The last line of loads.jsonl.
  private(set) var loads: [UInt8] = []
  private(set) var report: FileCopy
  private(set) var timeline: FileCopy
  private(set) var configuration: FileCopy
  /// Of the last look, by `MonotonicClock`.
  private var looked = -Double.infinity
  private var isContained = false
  private var replies: [String: WebReply] = [:]

  init(_ directory: RunDirectory) {
    self.directory = directory
    view = RunView(directory, depth: .lastStep)
    metricsFile = LineTail(path: directory.metrics)
    loadsFile = LineTail(path: directory.loads)
    report = FileCopy(path: directory.report)
    timeline = FileCopy(path: directory.timeline)
    configuration = FileCopy(path: directory.path + "/config.yaml")
  }

  var name: String { directory.name }

  /// The last step that is done; nil before the first.
  var step: Int? { metrics.last("step").map { Int($0) } }

  /// Looks at the files unless it just did.
  /// - Returns: Whether the run may be shown: nothing of it lies outside the folder.
  mutating func update(in files: ContainedFiles, atMostEvery seconds: Double) -> Bool {
    let now = MonotonicClock.seconds
    guard now - looked >= seconds else { return isContained }
    looked = now
    replies = [:]
    isContained = files.contains(directory)
    guard isContained else { return false }
    view.update()
    let news = metricsFile.read()
    if news.isAnew { metrics.removeAll() }
    for line in news.lines { metrics.append(line[...]) }
    let newLoads = loadsFile.read()
    if newLoads.isAnew { loads = [] }
    if let last = newLoads.lines.last { loads = last }
    report.update(in: files)
    timeline.update(in: files)
    configuration.update(in: files)
    return true
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
