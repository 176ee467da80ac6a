// `dsv3 schedule analyze --times`: the times of a run's directory, and what is wrong with others.

import Testing

@Suite struct MeasuredTimesTests {
  private func analyze(_ json: String, _ extra: [String] = []) throws -> Output {
    let scratch = try Scratch()
    let path = try scratch.write("action-times.json", json)
    return try Binary.run(
      ["schedule", "analyze", "gpipe", "--pp", "2", "--microbatches", "2", "--times", path] + extra)
  }

  /// GPipe, 2 ranks, 2 micro-batches, in microseconds. Rank 0: F 0–1, 1–2; rank 1: F 1–3, 3–5, B
  /// 5–9, 9–13; rank 0: B 9–11, 13–15. Stage 1's backward was measured in halves, stage 0's whole.
  @Test func timesOfARunAreByStage() throws {
    let output = try analyze(
      """
      {"f": [1e-6, 2e-6], "b": [2e-6, null], "i": [null, 1e-6], "w": [null, 3e-6], "fb": null}
      """)
    #expect(output.code == 0, "\(output.error)")
    #expect(output.standard.contains("times: F 1,2, I 1,1, W 1,3, pair F + I + W, transfer 0"))
    #expect(output.standard.contains("makespan 15,"))
  }

  @Test func otherFilesAndShapesAreRefused() throws {
    #expect(try analyze("no json").error.contains("not the times of a run"))
    #expect(try analyze("{}").error.contains("no list 'f' of times by stage"))
    let lists = #"{"f": [1, 1], "b": [1], "i": [null, null], "w": [null, null], "fb": null}"#
    #expect(try analyze(lists).error.contains("lists of different stages"))
    let three = #"{"f": [1,1,1], "b": [1,1,1], "i": [1,1,1], "w": [1,1,1], "fb": 1}"#
    let output = try analyze(three)
    #expect(output.code == 64 && output.error.contains("has times of 3 stages; the schedule has 2"))
    let both = try analyze(three, ["--f", "1"])
    #expect(both.code == 64 && both.error.contains("--times stands in place of"))
  }
}
