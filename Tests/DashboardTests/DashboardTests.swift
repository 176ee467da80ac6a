// What the dashboard says when it can't be served.

import Dashboard
import Testing

@Suite struct DashboardTests {
  @Test func aTakenPortSaysWhichAndWhatToDo() {
    let error = DashboardError.cannotListen(port: 80, reason: "permission denied")
    #expect(error.description.contains("80") && error.description.contains("--port"))
  }
}
