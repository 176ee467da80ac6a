// `dsv3 calibrate`: constants of the kernel cost model from measured kernels, and how far the model
// is from each of them.

import Fabric
import JSON
import ModelSpec
import RunConfiguration

let calibrateCommand = Command(
  "dsv3 calibrate",
  usage: "FILE [--cluster NAME] [--json]",
  summary: "refits the constants of the kernel cost model to measured kernels",
  help: """
    Fits what a kernel takes to measured ones, and prints every constant beside the preset's, and
    every kernel beside the model. FILE is a trace of the PyTorch profiler in JSON (products only,
    and only if it was recorded with shapes), or a comma-separated table with a line of titles:
      op         what the kernel is called
      kind       gemm, ggemm (grouped), wg, gwg (weight gradients), bgemm (router), fa_fwd, fa_bwd
                 (attention), mem (bound by memory); small and comm are not fitted
      shape      MxNxK, or 'M=… N=… K=… (4 experts)'; for mem its class: stream, quant, ctrans,
                 rtrans, norm, strided, quant12
      us         time in microseconds; columns l0, l1, … may hold single samples of it
      bytes      read and written, for mem
      flops      of the causal half, for fa_fwd and fa_bwd
    and if you like precision (fp8, bf16), sm (SMs of a persistent grid), overlap (share of the time
    in which a transfer ran, 0 to 1, also one for each sample) and phase.
    """,
  options: [
    CommandOption(
      "cluster", value: "NAME", help: "preset whose constants stand beside the fit (h800)"),
    CommandOption("json", help: "as JSON"),
  ],
  run: calibrate)

private func calibrate(_ options: ParsedOptions) throws {
  let path = try options.operands("FILE")[0]
  let name = options.value("cluster") ?? "h800"
  guard let preset = ClusterPreset.named(name) else {
    let names = ClusterPreset.all.map(\.name).joined(separator: ", ")
    throw options.usageError("no cluster '\(printable(name))'; there are \(names)")
  }
  let bytes = try readSmallFile(path, limit: 1 << 30)
  let measurements: Measurements
  do {
    measurements = try Measurements(reading: bytes, source: path)
  } catch {
    throw CommandError(message: "\(error.source): \(printable(error.message))", code: 65)
  }
  let fit = KernelFit(measurements, preset: preset.spec.gpu)
  if options.has("json") {
    print(String(decoding: json(fit, measurements).text(), as: UTF8.self), terminator: "")
    return
  }
  print(
    "\(measurements.kernels.count) operations fitted, products on "
      + "\(fit.gpu.kernels.measuredSMs) SMs; time-weighted error "
      + "\(percent(KernelFit.timeWeightedError(fit.residuals)))\n")
  print(constants(fit, preset: preset.name) + "\n")
  print(families(fit) + "\n")
  print(operations(fit))
  if !measurements.unmatched.isEmpty { print("\n" + unmatched(measurements)) }
}

private func percent(_ value: Double) -> String { fixed(100 * value, 1) + " %" }

private func constants(_ fit: KernelFit, preset: String) -> String {
  let rows = fit.constants.map { constant in
    let change = constant.fitted.map { percent($0 / constant.preset - 1) }
    return [
      constant.name, constant.unit, fixed(constant.preset, 3),
      constant.fitted.map { fixed($0, 3) } ?? "not measured", change ?? "",
    ]
  }
  return table([["constant", "unit", preset, "fitted", "change"]] + rows, right: [2, 3, 4])
}

/// Residuals by family, in order of their first appearance.
private func byFamily(_ fit: KernelFit) -> [(KernelFamily, [KernelFit.Residual])] {
  var order: [KernelFamily] = []
  for residual in fit.residuals where !order.contains(residual.family) {
    order.append(residual.family)
  }
  return order.map { family in (family, fit.residuals.filter { $0.family == family }) }
}

private func families(_ fit: KernelFit) -> String {
  let rows = byFamily(fit).map { family, residuals in
    [
      "\(family)", "\(residuals.count)", fixed(residuals.reduce(0) { $0 + $1.measured }, 0),
      percent(KernelFit.meanError(residuals)), percent(KernelFit.timeWeightedError(residuals)),
    ]
  }
  return table(
    [["class", "operations", "us", "mean error", "time-weighted"]] + rows, right: [1, 2, 3, 4])
}

private func operations(_ fit: KernelFit) -> String {
  let rows = fit.residuals.map { residual in
    [
      printable(residual.kernel.phase), printable(residual.kernel.name), "\(residual.family)",
      fixed(residual.measured, 1), fixed(residual.model, 1), percent(residual.relative),
    ]
  }
  return table(
    [["phase", "operation", "class", "measured us", "model us", "error"]] + rows,
    right: [3, 4, 5])
}

private func unmatched(_ measurements: Measurements) -> String {
  let rows = measurements.unmatched.map {
    ["\($0.count)", fixed($0.microseconds, 0), printable($0.name), $0.reason]
  }
  return "not fitted:\n" + table([["kernels", "us", "name", "why"]] + rows, right: [0, 1])
}

private func json(_ fit: KernelFit, _ measurements: Measurements) -> JSONValue {
  .object([
    "sms": .integer(fit.gpu.kernels.measuredSMs),
    "time_weighted_error": .number(KernelFit.timeWeightedError(fit.residuals)),
    "constants": .array(
      fit.constants.map {
        .object([
          "name": .string($0.name), "unit": .string($0.unit), "preset": .number($0.preset),
          "fitted": $0.fitted.map(JSONValue.number) ?? .null,
        ])
      }),
    "classes": .array(
      byFamily(fit).map { family, residuals in
        .object([
          "class": .string("\(family)"), "operations": .integer(residuals.count),
          "mean_error": .number(KernelFit.meanError(residuals)),
          "time_weighted_error": .number(KernelFit.timeWeightedError(residuals)),
        ])
      }),
    "operations": .array(
      fit.residuals.map {
        .object([
          "phase": .string($0.kernel.phase), "op": .string($0.kernel.name),
          "class": .string("\($0.family)"), "measured_us": .number($0.measured),
          "model_us": .number($0.model), "error": .number($0.relative),
        ])
      }),
    "not_fitted": .array(
      measurements.unmatched.map {
        .object([
          "op": .string($0.name), "why": .string($0.reason), "kernels": .integer($0.count),
          "us": .number($0.microseconds),
        ])
      }),
  ])
}
