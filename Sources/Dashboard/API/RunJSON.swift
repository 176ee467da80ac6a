// What /api says of runs (docs/dashboard.md has each with an example).

internal import Coordinator
internal import JSON
internal import RunFiles

extension RunReader {
  /// A run in the list of runs.
  var listJSON: JSONValue {
    .object([
      "name": .string(name), "state": .string(view.state.rawValue), "step": .integer(step ?? 0),
      "steps": JSONParts.value(view.totalSteps), "ranks": JSONParts.value(view.ranks),
      "loss": JSONParts.value(metrics.last("loss")),
      "tokens_per_second": JSONParts.value(metrics.last("tokens_per_second")),
      "restarts": .integer(view.restarts),
      "started": JSONParts.value(view.started),
      "written": JSONParts.value(view.lastWritten),
    ])
  }

  /// The run itself. `versions` change with what the other paths reply, so that nobody has to ask
  /// for what is as it was.
  var json: JSONValue {
    guard case .object(var members) = listJSON else { return .null }
    members["reason"] = JSONParts.value(view.record?.reason)
    members["record"] = view.record?.json ?? .null
    members["latest"] = (try? JSONValue(parsing: metrics.lastLine)) ?? .null
    members["tokens"] = JSONParts.value(metrics.totalTokens)
    members["seconds_left"] = JSONParts.value(view.secondsLeft)
    members["rank_states"] = .array(zip(view.beats, view.ranksLive).map(Self.json))
    members["time"] = JSONParts.value(RunFile.now)
    members["versions"] = .object([
      "metrics": .integer(metrics.generation), "report": .string(report.tag),
      "timeline": .string(timeline.tag), "config": .string(configuration.tag),
      "loads": .string(loads.isEmpty ? "" : WebReply.tag(of: loads)),
      "events": .integer(view.events.count),
    ])
    return .object(members)
  }

  private static func json(_ beat: RankBeat, _ lives: Bool?) -> JSONValue {
    .object([
      "rank": .integer(beat.rank), "host": .string(beat.host), "pid": .integer(Int(beat.pid)),
      "alive": lives.map { .bool($0) } ?? .null, "beats": .integer(beat.count),
      "time": JSONParts.value(beat.time), "phase": .string("\(beat.phase)"),
      "step": .integer(beat.step), "actions_done": .integer(beat.actionsDone),
      "wait": .string("\(beat.wait)"), "peer": JSONParts.value(beat.peer),
      "tensor_bytes": .integer(beat.tensorBytes), "resident_bytes": .integer(beat.residentBytes),
    ])
  }

  /// Rows of metrics.jsonl after a step, as columns; thinned out to about `points` rows.
  func metricsReply(after step: Int, points: Int?) -> WebReply {
    let rows = metrics.firstRow(after: step)..<metrics.rows
    let stride = points.map { max(1, (rows.count + $0 - 1) / $0) } ?? 1
    var bytes = Array("{\"columns\":{".utf8)
    for (index, name) in metrics.names.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      bytes += JSONValue.string(name).line()
      bytes.append(UInt8(ascii: ":"))
      JSONParts.append(metrics.columns[index][rows], every: stride, to: &bytes)
    }
    let shown = JSONParts.rows(rows, every: stride).count
    bytes += "},\"generation\":\(metrics.generation),\"rows\":\(shown),\"stride\":\(stride)}\n".utf8
    return WebReply(WebReply.json, bytes)
  }

  /// A file of the run that is JSON as it stands.
  func fileReply(_ file: FileCopy, _ what: String) throws(WebRefusal) -> WebReply {
    guard let bytes = file.bytes else { throw WebRefusal(404, "the run has no \(what) yet") }
    guard JSONParts.isWholeObject(bytes) else {
      throw WebRefusal(503, "the run's \(what) is being written")
    }
    return WebReply(WebReply.json, bytes)
  }

  func loadsReply() throws(WebRefusal) -> WebReply {
    guard JSONParts.isWholeObject(loads) else {
      throw WebRefusal(404, "the run has no expert loads yet")
    }
    return WebReply(WebReply.json, loads + [UInt8(ascii: "\n")])
  }

  func configurationReply() throws(WebRefusal) -> WebReply {
    guard let bytes = configuration.bytes else {
      throw WebRefusal(404, "the run has no configuration")
    }
    return WebReply(.object(["yaml": .string(String(decoding: bytes, as: UTF8.self))]))
  }

  /// The last events, the oldest of them first.
  func eventsReply() -> WebReply {
    let last = view.events.suffix(500).map(\.json)
    return WebReply(
      .object(["events": .array(last), "omitted": .integer(view.events.count - last.count)]))
  }
}
