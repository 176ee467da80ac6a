// `dsv3 checkpoint export`: a checkpoint as a model that Hugging Face's transformers loads.

import Checkpoints
import RunConfiguration

let checkpointExportCommand = Command(
  "dsv3 checkpoint export",
  usage: "--output DIR [OPTION]... [RUN[@STEP]|DIR]",
  summary: "writes a checkpoint's model as a Hugging Face directory",
  help: """
    Writes config.json and the weights, in files of safetensors, to a new directory that
    transformers' DeepseekV3ForCausalLM, 'dsv3 evaluate' and model.path load. The checkpoint is
    verified first. Weights of MTP modules are there under the names of the released checkpoint
    (layers behind the last); transformers leaves them out.
    """,
  options: [
    CommandOption("output", value: "DIR", help: "directory to write; must not be there"),
    CommandOption("average", help: "the running mean (training.ema_decay) of the weights"),
    CommandOption("dtype", value: "f32|bf16", help: "type of the weights (f32)"),
    runsOption,
  ],
  run: export)

private func export(_ options: ParsedOptions) throws {
  let output = try options.required("output")
  let name = options.value("dtype") ?? "f32"
  guard let format = CheckpointExport.Format(rawValue: name) else {
    throw options.usageError("option '--dtype' wants f32 or bf16, not '\(printable(name))'")
  }
  let reference = try options.checkpoint()
  let export = try CheckpointExport(
    checkpoint: reference.path, isAverage: options.has("average"))
  try export.write(to: output, as: format)
  let what = options.has("average") ? "the mean of the weights" : "the weights"
  print("\(output): \(what) of \(reference.path) in \(format.rawValue)")
}
