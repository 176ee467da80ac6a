// `dsv3 bench`: one rank's training step against this machine's ceiling for matrix products.

import JSON
import Model
import ModelSpec
import RunConfiguration

let benchCommand = Command(
  "dsv3 bench",
  usage: "[--model NAME] [--sequences N] [--length N] [--steps N] [--json]",
  summary: "one rank's training step against the SGEMM ceiling",
  help: """
    Times whole training steps (forward, backward, clipping, AdamW) of a model on one thread, and a
    square SGEMM before and after each step. GFLOP/s counts what the model asks for: 6 a weight and
    token, causal attention.
    """,
  options: [
    CommandOption("model", value: "NAME", help: "a model preset (dsv3-mid)"),
    CommandOption("sequences", value: "N", help: "sequences of a batch (4)"),
    CommandOption("length", value: "N", help: "tokens of a sequence (256)"),
    CommandOption("steps", value: "N", help: "steps to time, after two to warm up (10)"),
    CommandOption("json", help: "as JSON"),
  ],
  run: bench)

private func bench(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let preset = try ModelPreset.named(options.value("model") ?? "dsv3-mid")
  let result = try StepBenchmark(
    preset.spec, sequences: try options.integer("sequences", in: 1...4096) ?? 4,
    length: try options.integer("length", in: 2...65536) ?? 256,
    steps: try options.integer("steps", in: 1...1_000_000) ?? 10)
  if options.has("json") {
    let value = JSONValue.object([
      "model": .string(preset.name), "blas_kernels": .string(result.kernels),
      "sgemm_gflops": .number(result.ceiling), "step_gflops": .number(result.gigaFLOPs),
      "share_of_ceiling": .number(result.shareOfCeiling), "step_seconds": .number(result.seconds),
      "forward_backward_seconds": .number(result.forwardBackwardSeconds),
      "optimizer_seconds": .number(result.optimizerSeconds),
      "tokens_per_cpu_second": .number(result.tokensPerCPUSecond),
      "peak_tensor_bytes": .integer(result.peakTensorBytes),
    ])
    print(String(decoding: value.text(), as: UTF8.self), terminator: "")
    return
  }
  print(
    """
    OpenBLAS kernels \(result.kernels), one thread
    SGEMM ceiling      \(shown(result.ceiling)) GFLOP/s
    training step      \(shown(result.gigaFLOPs)) GFLOP/s, \(shown(100 * result.shareOfCeiling))% \
    of the ceiling (\(preset.name), \(result.tokens) tokens)
    step               \(shown(1000 * result.seconds)) ms: forward and backward \
    \(shown(1000 * result.forwardBackwardSeconds)), optimizer \
    \(shown(1000 * result.optimizerSeconds))
    tokens             \(shown(result.tokensPerCPUSecond)) per CPU-second
    tensors            \(result.peakTensorBytes >> 20) MiB at the peak
    """)
}

/// One decimal.
private func shown(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
