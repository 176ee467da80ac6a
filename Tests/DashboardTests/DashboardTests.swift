// Where the dashboard can't be served, it says so; where it ends, its port is free again.

import Dashboard
import Glibc
import JSON
import Testing

@Suite struct DashboardTests {
  @Test func aTakenPortSaysWhichAndWhatToDo() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    var settings = DashboardSettings()
    settings.port = dashboard.port
    let error = #expect(throws: DashboardError.self) { try Dashboard(settings) }
    let text = error?.description ?? ""
    #expect(text.contains("\(dashboard.port)") && text.contains("--port") && error?.exitCode == 69)
  }

  @Test func aPortIsFreeAgainAtOnce() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    #expect(try RawClient(port: dashboard.port).get("/").status == 200)
    dashboard.stop()
    #expect(throws: RawClient.ClientError.self) { try RawClient(port: dashboard.port).get("/") }
    var settings = DashboardSettings()
    settings.runs = fixture.path
    settings.port = dashboard.port
    let next = try Dashboard(settings)
    #expect(try RawClient(port: next.port).get("/api/health").status == 200)
  }

  @Test func aFolderThatIsNotThereYetHasNoRuns() throws {
    var settings = DashboardSettings()
    settings.runs = "/tmp/dsv3-no-such-folder-\(getpid())"
    settings.port = 0
    let dashboard = try Dashboard(settings)
    let reply = try RawClient(port: dashboard.port).get("/api/runs")
    #expect(try reply.json()["runs"] == .array([]))
  }
}
