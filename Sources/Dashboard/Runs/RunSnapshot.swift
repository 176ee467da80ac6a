// What a run is doing, as far as its files and the process table tell.

internal import Glibc
internal import JSON
internal import RunConfiguration
internal import RunFiles

struct RunSnapshot {
  let directory: RunDirectory
  private(set) var state = "unknown"
  /// Nil for a run that mpirun alone started.
  private(set) var record: RunRecord?
  private(set) var events: [RunEvent] = []
  private(set) var beats: [RankBeat] = []
  /// Whether the process of each of `beats` lives; nil where that can't be told from here.
  private(set) var ranksLive: [Bool?] = []
  private(set) var configuration: RunConfiguration?
  private var configurationTag = ""

  init(_ directory: RunDirectory) { self.directory = directory }

  mutating func update(step: Int?, configurationFile: FileCopy) {
    record = try? RunRecord(path: directory.record)
    events = RunEvent.all(at: directory.events)
    if configurationTag != configurationFile.tag {
      configurationTag = configurationFile.tag
      configuration = configurationFile.bytes.flatMap {
        try? RunConfiguration.read(bytes: $0, file: "config.yaml", overrides: [])
      }
    }
    let folder = directory.path + "/ranks"
    beats = RunFolder.names(in: folder).filter { $0.hasSuffix(".beat") }
      .compactMap { RankBeat(path: "\(folder)/\($0)") }.sorted { $0.rank < $1.rank }
    ranksLive = beats.map {
      ProcessTable.isAlive(ProcessIdentity(host: $0.host, pid: $0.pid, ticks: $0.ticks))
    }
    state = judged(step: step ?? 0)
  }

  private func judged(step: Int) -> String {
    if let record {
      let isOver = [.finished, .failed, .stopped].contains(record.state)
      return !isOver && ProcessTable.isAlive(record.coordinator) == false
        ? "lost" : record.state.rawValue
    }
    if totalSteps.map({ step >= $0 }) ?? false { return "finished" }
    if beats.contains(where: { $0.phase == .failed }) { return "failed" }
    if ranksLive.contains(true) { return "running" }
    if !ranksLive.isEmpty && ranksLive.allSatisfy({ $0 == false }) { return "ended" }
    return RunFile.now - directory.lastWritten < 60 ? "running" : "unknown"
  }

  /// Steps of the plan, if that is known.
  var totalSteps: Int? {
    record.map(\.steps).flatMap { $0 > 0 ? $0 : nil } ?? setting("training.steps")
  }

  var ranks: Int? {
    if let known = record?.ranks { return known }
    guard let pipeline = setting("layout.pipeline"), let data = setting("layout.data") else {
      return beats.isEmpty ? nil : beats.count
    }
    return pipeline * data
  }

  private func setting(_ path: String) -> Int? {
    configuration?.settings.first { $0.key.path == path }.flatMap { Int($0.value.yaml) }
  }

  var restarts: Int { record?.restarts ?? events.count { $0.kind == .restart } }
}
