// Which path is answered with what. A value in, a value out: sockets are elsewhere.

internal import JSON
internal import RunFiles

struct Router: Sendable {
  let shelf: RunShelf
  private let assets = PageAsset.all

  func reply(to request: WebRequest) -> WebReply {
    do {
      return try route(request).answering(request)
    } catch {
      return WebReply(error)
    }
  }

  private func route(_ request: WebRequest) throws(WebRefusal) -> WebReply {
    guard request.isMeantForLoopback else {
      throw WebRefusal(403, "this page is for http://localhost, 127.0.0.1 and [::1] only")
    }
    guard request.method == "GET" || request.method == "HEAD" else {
      throw WebRefusal(405, "only GET and HEAD: nothing here can be changed")
    }
    guard let path = request.path else {
      throw WebRefusal(400, "the path has something in it that no path here has")
    }
    guard let first = path.first else { return assets["index.html"] ?? Self.nothing }
    switch (first, path.count) {
    case ("assets", 2):
      guard let asset = assets[path[1]] else { throw WebRefusal(404, "there is no such file") }
      return asset
    case ("favicon.ico", 1): return assets["icon.svg"] ?? Self.nothing
    case ("metrics", 1): return shelf.withRuns(limit: 20) { runs, _ in prometheusReply(runs) }
    case ("api", _): return try api(Array(path.dropFirst()), request)
    default: throw WebRefusal(404, "there is nothing at this path")
    }
  }

  private func api(_ path: [String], _ request: WebRequest) throws(WebRefusal) -> WebReply {
    switch path.first {
    case "health" where path.count == 1: return WebReply(.object(["status": .string("ok")]))
    case "runs" where path.count == 1:
      return shelf.withRuns(limit: RunShelf.mostListed) { runs, omitted in
        WebReply(
          .object([
            "runs": .array(runs.map(\.listJSON)), "omitted": .integer(omitted),
            "time": JSONParts.value(RunFile.now),
          ]))
      }
    case "runs" where path.count <= 3:
      return try run(path[1], path.count == 3 ? path[2] : "", request)
    default: throw WebRefusal(404, "there is nothing at this path")
    }
  }

  private func run(
    _ name: String, _ part: String, _ request: WebRequest
  ) throws(WebRefusal) -> WebReply {
    let after = try request.number("after", in: 0...Int.max) ?? 0
    let points = try request.number("points", in: 2...1_000_000)
    return try shelf.withRun(name) { (reader) throws(WebRefusal) -> WebReply in
      let key = part == "metrics" ? "metrics \(after) \(points ?? 0)" : part
      return try reader.reply(key) { (run) throws(WebRefusal) -> WebReply in
        switch part {
        case "": return WebReply(run.json)
        case "metrics": return run.metricsReply(after: after, points: points)
        case "loads": return try run.loadsReply()
        case "timeline": return try run.fileReply(run.timeline, "timeline")
        case "report": return try run.fileReply(run.report, "report")
        case "config": return try run.configurationReply()
        case "events": return run.eventsReply()
        default: throw WebRefusal(404, "a run has nothing of this name")
        }
      }
    }
  }

  private static let nothing = WebReply("text/plain; charset=utf-8", [])
}
