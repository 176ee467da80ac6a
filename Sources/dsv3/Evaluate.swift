// `dsv3 evaluate`: a checkpoint's logits, losses and gradients on given tokens.

import Glibc
import JSON
import Model
import ModelSpec
import RunConfiguration

let evaluateCommand = Command(
  "dsv3 evaluate",
  usage: "--checkpoint DIR --inputs FILE --output FILE [OPTION]...",
  summary: "a checkpoint's logits, losses and gradients on given tokens",
  help: """
    Runs a checkpoint in Hugging Face's form on the tokens of a safetensors file and writes logits
    and losses, and with --gradients the gradient of every parameter, in fp32.

    Inputs: input_ids [batch, seq] and, if they differ, labels [batch, seq], I64. Labels are shifted
    inside: position i predicts label i + 1; negative ones are ignored.
    """,
  options: [
    CommandOption("checkpoint", value: "DIR", help: "config.json and *.safetensors"),
    CommandOption("inputs", value: "FILE", help: "safetensors with input_ids, labels"),
    CommandOption("output", value: "FILE", help: "safetensors for logits and losses"),
    CommandOption("gradients", value: "FILE", help: "safetensors for the gradients"),
    CommandOption(
      "mtp", value: "released|report",
      help: "MTP as in the released checkpoint (default) or as in the report"),
    CommandOption("mtp-weight", value: "λ", help: "share of the MTP loss (0.3)"),
    CommandOption("json", help: "losses and expert loads as JSON"),
  ],
  run: evaluate)

private func evaluate(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let checkpoint = try options.required("checkpoint")
  let inputs = try options.required("inputs")
  let output = try options.required("output")
  let gradients = options.value("gradients")
  let settings = Evaluation.Options(
    convention: try convention(options),
    mtpWeight: try options.number("mtp-weight") ?? 0.3, gradients: gradients != nil)
  guard output != gradients else {
    throw options.usageError("--output and --gradients name the same file")
  }
  // Better now than after the work.
  for path in [output, gradients].compactMap({ $0 }) { try requireDirectory(of: path) }

  let directory = try HuggingFaceDirectory(path: checkpoint)
  let evaluation = try Evaluation(
    of: directory, on: SafeTensors(path: inputs), options: settings)
  try evaluation.writeOutputs(to: output)
  if let gradients { try evaluation.writeGradients(to: gradients) }
  note(evaluation, directory)
  if options.has("json") {
    print(json(evaluation, settings), terminator: "")
  } else {
    print(summary(evaluation, settings))
    print("written   " + [output, gradients].compactMap { $0 }.joined(separator: ", "))
  }
}

/// What a user may not expect, on standard error.
private func note(_ evaluation: Evaluation, _ directory: HuggingFaceDirectory) {
  let (announced, present) = (directory.spec.mtpDepth, evaluation.spec.mtpDepth)
  if present < announced {
    complain(
      "dsv3: note: config.json has num_nextn_predict_layers \(announced), but there are weights of "
        + "\(present) MTP modules; run with \(present)")
  }
  if let first = evaluation.passedOver.first {
    let more = evaluation.passedOver.count - 1
    complain("dsv3: note: not used: \(first)" + (more > 0 ? " and \(more) more tensors" : ""))
  }
}

private func convention(_ options: ParsedOptions) throws -> MTPConvention {
  guard let text = options.value("mtp") else { return .released }
  guard let convention = MTPConvention(rawValue: text) else {
    throw options.usageError(
      "option '--mtp' wants released or report, not '\(printable(text))'")
  }
  return convention
}

/// Refuses a path in a directory that is not there.
private func requireDirectory(of path: String) throws {
  let parent = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
  guard access(parent, W_OK | X_OK) != 0 else { return }
  let reason = String(cString: strerror(errno))
  throw CommandError(message: "\(path): cannot be written: \(parent): \(reason)", code: 74)
}

private func summary(_ evaluation: Evaluation, _ settings: Evaluation.Options) -> String {
  var lines = ["loss      \(fixed(evaluation.loss, 6)) nats a token"]
  if evaluation.spec.mtpDepth > 0 {
    lines[0] +=
      " = main \(fixed(evaluation.mainLoss, 6)) + \(settings.mtpWeight) × MTP "
      + "\(fixed(evaluation.mtpLoss, 6)) (\(settings.convention.rawValue))"
  }
  lines.append(
    "tokens    \(evaluation.sequences) × \(evaluation.length), "
      + "\(evaluation.predictedTokens) predicted")
  if let largest = evaluation.largestLoad {
    lines.append(
      "experts   largest load \(fixed(largest.ratio, 2)) × the mean: expert \(largest.expert) of "
        + "layer \(largest.layer)")
  }
  return lines.joined(separator: "\n")
}

private func json(_ evaluation: Evaluation, _ settings: Evaluation.Options) -> String {
  func number(_ value: Double) -> JSONValue { value.isFinite ? .number(value) : .null }
  var members: [String: JSONValue] = [
    "loss": number(evaluation.loss),
    "sequences": .integer(evaluation.sequences),
    "sequence": .integer(evaluation.length),
    "predicted_tokens": .integer(evaluation.predictedTokens),
    "expert_loads": .object(
      Dictionary(
        uniqueKeysWithValues: evaluation.expertLoads.map { layer, tokens in
          ("\(layer)", .array(tokens.map { .integer($0) }))
        })),
  ]
  if evaluation.spec.mtpDepth > 0 {
    members["main_loss"] = number(evaluation.mainLoss)
    members["mtp_loss"] = number(evaluation.mtpLoss)
    members["mtp"] = .string(settings.convention.rawValue)
    members["mtp_weight"] = number(settings.mtpWeight)
  }
  if let largest = evaluation.largestLoad {
    members["max_expert_load_ratio"] = number(largest.ratio)
  }
  return String(decoding: JSONValue.object(members).text(), as: UTF8.self)
}
