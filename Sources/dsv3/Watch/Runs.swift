// `dsv3 runs`: the runs of a folder in a table or as JSON, and those that were there once.

import Coordinator
import JSON
import RunConfiguration
import RunFiles

let runsCommand = Command(
  "dsv3 runs",
  usage: "[OPTION]...",
  summary: "lists runs: state, step, loss, speed, restarts, layout",
  help: """
    Lists the runs of a folder, the newest first. The figures are the last step's. What is seen is
    kept in the folder's history.db, from which --all also lists runs whose directories were
    deleted.
    """,
  options: [
    runsOption,
    CommandOption("all", help: "runs that were deleted, too"),
    CommandOption("json", help: "an array of objects"),
  ],
  run: listRuns)

private func listRuns(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let folder = options.runFolder
  let views = RunSummary.all(in: folder)
  var problems = [RunHistory.note(views, in: folder)]
  var runs = views.map(RunSummary.init)
  if options.has("all") {
    let (deleted, problem) = RunHistory.deleted(in: folder, present: runs)
    runs = (runs + deleted).sorted { ($0.started ?? 0, $0.name) > ($1.started ?? 0, $1.name) }
    problems.append(problem)
  }
  // Reading fails as writing did.
  if let problem = problems.compactMap({ $0 }).first { complain("dsv3: warning: \(problem)") }
  if options.has("json") {
    return print(
      String(decoding: JSONValue.array(runs.map(\.json)).text(), as: UTF8.self), terminator: "")
  }
  guard !runs.isEmpty else { return complain("'\(folder.path)' has no run") }
  print(text(runs))
}

/// Of a run that was deleted while it ran, nobody knows how it ended.
private func state(_ run: RunSummary) -> String {
  guard run.isDeleted else { return run.state.rawValue }
  return run.state.isActive ? "deleted" : "\(run.state.rawValue), deleted"
}

private func text(_ runs: [RunSummary]) -> String {
  let head = [
    "run", "state", "step", "loss", "tokens/s", "virtual", "restarts", "started", "layout",
    "schedule", "precision",
  ]
  let rows = runs.map { run in
    [
      printable(run.name), state(run),
      (run.step.map { "\($0)" } ?? "-") + (run.totalSteps.map { "/\($0)" } ?? ""),
      run.loss.map { fixed($0, 4) } ?? "-", run.tokensPerSecond.map(Figures.count) ?? "-",
      run.virtualStep.map(Figures.seconds) ?? "-", "\(run.restarts)",
      run.started.map { Figures.clock($0, "%Y-%m-%d %H:%M") } ?? "-", run.layout ?? "-",
      run.schedule ?? "-", run.precision ?? "-",
    ]
  }
  return table([head] + rows, right: [2, 3, 4, 5, 6])
}
