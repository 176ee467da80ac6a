// /api over a folder made by hand: what stands in the files is what is served.

import Dashboard
import Glibc
import JSON
import RunFiles
import Testing

/// A dashboard that looks at the files for every request.
func serving(_ fixture: RunsFixture, requestSeconds: Double = 20) throws -> Dashboard {
  var settings = DashboardSettings()
  settings.runs = fixture.path
  settings.port = 0
  settings.lookInterval = 0
  settings.requestSeconds = requestSeconds
  return try Dashboard(settings)
}

extension JSONValue {
  subscript(_ key: String) -> JSONValue? {
    if case .object(let members) = self { members[key] } else { nil }
  }

  subscript(_ index: Int) -> JSONValue? {
    if case .array(let values) = self, values.indices.contains(index) { values[index] } else { nil }
  }
}

@Suite struct APITests {
  @Test func theListHasTheRunsWithTheirLastFigures() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let reply = try RawClient(port: dashboard.port).get("/api/runs")
    #expect(
      reply.status == 200 && reply.headers["content-type"]?.hasPrefix("application/json") == true)
    let runs = try #require(try reply.json()["runs"])
    let run = try #require(runs[0])
    #expect(runs[1] == nil && run["name"] == .string("first"))
    #expect(run["step"] == .integer(2) && run["steps"] == .integer(4))
    #expect(run["loss"] == .number(4.25) && run["ranks"] == .integer(2))
  }

  @Test func aRunTellsItsLastStepItsRanksAndWhatChanged() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    let run = JSONValue.object(try client.get("/api/runs/first").json())
    #expect(run["latest"]?["virtual_step_seconds"] == .number(4.361131386311))
    #expect(run["latest"]?["memory_bytes"]?["parameters"] == .integer(3))
    #expect(run["tokens"] == .integer(1024))
    #expect(run["record"] == .null)
    let rank = run["rank_states"]?[1]
    #expect(rank?["rank"] == .integer(1) && rank?["phase"] == .string("schedule"))
    #expect(rank?["wait"] == .string("dispatch") && rank?["peer"] == .integer(0))
    #expect(rank?["tensor_bytes"] == .integer(1001) && rank?["alive"] == .bool(true))
    let before = try #require(run["versions"])
    try RunDirectory.write("{\"step_seconds\":2.5}\n", to: fixture.first.report)
    let after = try #require(JSONValue.object(try client.get("/api/runs/first").json())["versions"])
    #expect(before["report"] != after["report"] && before["timeline"] == after["timeline"])
  }

  @Test func metricsComeAsColumnsAfterAStep() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    func columns(_ query: String) throws -> JSONValue {
      JSONValue.object(try client.get("/api/runs/first/metrics" + query).json())
    }
    let all = try columns("")
    #expect(all["columns"]?["step"] == .array([.integer(1), .integer(2)]))
    #expect(all["columns"]?["loss"] == .array([.number(5.5), .number(4.25)]))
    #expect(all["columns"]?["learning_rate"] == .array([.number(1e-5), .number(1e-5)]))
    #expect(all["columns"]?["memory_bytes"] == nil && all["rows"] == .integer(2))
    // A line that is being written doesn't count; once it is whole, it does.
    let line = RunsFixture.line(3, loss: 3.5)
    try RunsFixture.append(String(line.prefix(40)), to: fixture.first.metrics)
    #expect(try columns("?after=2")["rows"] == .integer(0))
    try RunsFixture.append(String(line.dropFirst(40)), to: fixture.first.metrics)
    #expect(try columns("?after=2")["columns"]?["loss"] == .array([.number(3.5)]))
    let text = (4...10).map { RunsFixture.line($0, loss: Double($0)) }.joined()
    try RunsFixture.append(text, to: fixture.first.metrics)
    // Ten rows in three: every fourth, counted from the last.
    let thin = try columns("?points=3")
    #expect(thin["columns"]?["step"] == .array([.integer(2), .integer(6), .integer(10)]))
    #expect(thin["stride"] == .integer(4))
  }

  /// A run that goes on from a checkpoint cuts its metrics, and may have written more than before
  /// when somebody looks next.
  @Test(arguments: [2, 9]) func stepsThatComeAgainReplaceThoseThatWere(last: Int) throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    let before = try client.get("/api/runs/first/metrics").json()
    let lines = (1...last).map { RunsFixture.line($0, loss: $0 == 1 ? 5.5 : 1.5) }.joined()
    try RunDirectory.write(lines, to: fixture.first.metrics)
    let after = try client.get("/api/runs/first/metrics").json()
    #expect(after["rows"] == .integer(last))
    #expect(after["columns"]?["loss"]?[0] == .number(5.5))
    #expect(after["columns"]?["loss"]?[1] == .number(1.5))
    #expect(before["generation"] != after["generation"])
    let run = try client.get("/api/runs/first").json()
    #expect(run["tokens"] == .integer(512 * last))
  }

  @Test func filesAreServedAsTheyStandAndWhatIsMissingIsSaid() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    let timeline = try client.get("/api/runs/first/timeline")
    #expect(timeline.body == (try RunFile.contents(of: fixture.first.timeline)))
    #expect(
      try client.get("/api/runs/first/report").json()["links"]?["nvlink_bytes"] == .integer(7))
    let loads = try client.get("/api/runs/first/loads").json()
    #expect(loads["layers"]?[0]?["tokens"] == .array([.integer(3), .integer(5)]))
    let yaml = try client.get("/api/runs/first/config").json()["yaml"]
    #expect(yaml == .string(RunsFixture.configuration))
    let event = try client.get("/api/runs/first/events").json()["events"]?[0]
    #expect(event?["kind"] == .string("failure") && event?["details"]?[0] == .string("last line"))
    #expect(try client.get("/api/health").json()["status"] == .string("ok"))

    unlink(fixture.first.timeline)
    #expect(try client.get("/api/runs/first/timeline").status == 404)
    try RunDirectory.write("{\"step_seconds\":1.", to: fixture.first.report)
    #expect(try client.get("/api/runs/first/report").status == 503)
    #expect(try client.get("/api/runs/first/report").json()["error"] != nil)
    for path in ["/api/runs/second", "/api/runs/first/nothing", "/api", "/api/runs/first/a/b"] {
      let reply = try client.get(path)
      #expect(try reply.status == 404 && reply.json()["error"] != nil, "\(path)")
    }
  }

  @Test func whatAClientHasAlreadyIsNotSentAgain() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    for path in ["/", "/assets/app.js", "/api/runs/first/timeline"] {
      let reply = try client.get(path)
      let tag = try #require(reply.headers["etag"])
      let again = try client.get(path, headers: ["If-None-Match: \(tag)"])
      #expect(again.status == 304 && again.body.isEmpty, "\(path)")
      #expect(try client.get(path, headers: ["If-None-Match: \"other\""]).body == reply.body)
    }
  }

  @Test func thePageAsksForNothingThatIsNotHere() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    var known: Set<String> = []
    var toLook = ["/", "/favicon.ico"]
    while let path = toLook.popLast() {
      guard known.insert(path).inserted else { continue }
      let reply = try client.get(path)
      #expect(reply.status == 200, "\(path)")
      let text = reply.text
      #expect(!text.contains("https://") && !text.contains("<script>"), "\(path)")
      let elsewhere = text.replacing("http://www.w3.org/2000/svg", with: "")
      #expect(!elsewhere.contains("http://"), "\(path)")
      for match in text.matches(of: /["'](\/assets\/|\.\/)([a-z]+\.[a-z]+)["']/) {
        toLook.append("/assets/" + match.output.2)
      }
    }
    #expect(known.contains("/assets/timeline.js") && known.contains("/assets/run.css"))
  }
}
