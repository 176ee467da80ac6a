// `dsv3 checkpoint inspect`: how far a checkpoint is, of which model and layout, and its files.

import Checkpoints
import JSON
import ModelSpec
import RunConfiguration
import RunFiles

let checkpointInspectCommand = Command(
  "dsv3 checkpoint inspect",
  usage: "[OPTION]... [RUN[@STEP]|DIR]",
  summary: "step, model, layout, settings and files of a checkpoint",
  help: """
    Shows a checkpoint: of a run the newest or that of a step, or the one in a directory; without
    an argument that of the newest run. Sizes are the manifest's; 'verify' compares the files.
    """,
  options: [
    CommandOption("json", help: "as JSON"), runsOption,
  ],
  run: inspect)

private func inspect(_ options: ParsedOptions) throws {
  let reference = try options.checkpoint()
  let state = try CheckpointState(checkpoint: reference.path)
  let manifest = try CheckpointManifest(directory: reference.path)
  let spec = try ModelSpec(configFile: reference.path + "/config.json")
  let steps = try reference.folder?.steps() ?? []
  if options.has("json") {
    print(
      String(decoding: json(reference, state, manifest, steps).text(), as: UTF8.self),
      terminator: "")
  } else {
    print(text(reference, state, manifest, spec, steps))
  }
}

private func text(
  _ reference: CheckpointReference, _ state: CheckpointState, _ manifest: CheckpointManifest,
  _ spec: ModelSpec, _ steps: [Int]
) -> String {
  func setting(_ key: String) -> String {
    switch state.settings[key] {
    case .string(let text): text
    case .array(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
    case let value?: value.description
    case nil: "unknown"
    }
  }
  let parameters = spec.parameters().reduce(0) { $0 + $1.elements }
  let schedule =
    state.settings["schedule.name"] != nil
    ? setting("schedule.name") : "file '\(setting("schedule.file"))'"
  var rows = [
    ["checkpoint", reference.path],
    ["step", "\(state.stepsDone) of \(state.totalSteps), \(state.sequences) sequences"],
    [
      "model",
      "\(rounded(parameters)) parameters, \(spec.layers) layers + \(spec.mtpDepth) MTP, hidden "
        + "\(spec.hiddenSize), \(spec.routedExperts) experts",
    ],
    [
      "layout",
      "\(state.worldSize) ranks: pipeline \(setting("layout.pipeline")), data "
        + "\(setting("layout.data")), expert \(setting("layout.expert")), stages "
        + setting("layout.stages"),
    ],
    [
      "batch",
      "\(state.globalBatch) sequences of \(setting("training.sequence")) tokens: "
        + "\(setting("schedule.microbatches")) micro-batches of \(setting("training.micro_batch"))",
    ],
    ["schedule", schedule],
    ["seed", setting("training.seed")],
    ["mean", state.averageUpdates > 0 ? "of the weights is kept" : "none is kept"],
    ["size", "\(manifest.bytes) bytes in \(manifest.files.count) files"],
  ]
  if !steps.isEmpty {
    rows.append(["run has", "steps " + steps.map { "\($0)" }.joined(separator: ", ")])
  }
  let files = manifest.files.map { [$0.name, "\($0.bytes)", $0.checksum] }
  return table(rows) + "\n\n"
    + table([["file", "bytes", "xxh3"]] + files, right: [1])
}

private func json(
  _ reference: CheckpointReference, _ state: CheckpointState, _ manifest: CheckpointManifest,
  _ steps: [Int]
) -> JSONValue {
  guard case .object(var members)? = try? JSONValue(parsing: state.json) else {
    preconditionFailure("a state is an object")
  }
  members["path"] = .string(reference.path)
  members["bytes"] = .integer(manifest.bytes)
  members["steps_of_run"] = .array(steps.map { .integer($0) })
  if case .object(let written) = manifest.json { members["files"] = written["files"] }
  return .object(members)
}
