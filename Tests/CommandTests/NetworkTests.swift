// `dsv3 network` as a user runs it.

import JSON
import Testing

@Suite struct NetworkTests {
  static let scenario = "Tests/Fixtures/network/b_incast_mixed.scenario.json"

  @Test func jsonHasEveryEndAndTheMakespan() throws {
    let output = try Binary.run(["network", Self.scenario, "--json"])
    #expect(output.code == 0 && output.error == "")
    let value = try JSONValue(parsing: Array(output.standard.utf8))
    guard case .object(let members) = value, case .array(let ends)? = members["end_s"],
      case .number(let makespan)? = members["makespan_s"]
    else {
      Issue.record("\(output.standard)")
      return
    }
    #expect(ends.count == 12 && Set(members.keys) == ["end_s", "makespan_s"])
    // Seven flows of NVLink into one port; the answer of SimGrid.
    #expect(abs(makespan - 0.0021908299999999999) < 1e-14)
  }

  @Test func toleranceIsToldInTheAnswer() throws {
    let output = try Binary.run(["network", Self.scenario, "--json", "--tolerance", "0.01"])
    #expect(output.code == 0 && output.standard.contains("\"error_bound\": 0.01"))
  }

  @Test func peopleGetTheBusiestLinksAndTheLastFlows() throws {
    let output = try Binary.run(["network", Self.scenario])
    #expect(output.code == 0)
    #expect(output.standard.contains("12 flows over 48 GPUs, makespan 2190.830 µs, exact"))
    #expect(output.standard.contains("nvlD[0]") && output.standard.contains("99.8 %"))
  }

  @Test func mistakesHaveTheirExitCodes() throws {
    let scratch = try Scratch()
    #expect(try Binary.run(["network"]).code == 64)
    #expect(try Binary.run(["network", Self.scenario, "--tolerance", "1"]).code == 64)
    #expect(try Binary.run(["network", scratch.path("none.json")]).code == 66)
    let truncated = try scratch.write("bad.json", "{\"format\": \"dsv3-netref-1\", \"flows\": [")
    let output = try Binary.run(["network", truncated, "--json"])
    #expect(output.code == 65 && output.standard == "")
    #expect(output.error.contains("bad.json: line 1: "), "\(output.error)")
  }
}
