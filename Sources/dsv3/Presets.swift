// `dsv3 presets`: what cluster.yaml and --preset can name.

import Fabric
import JSON
import ModelSpec
import RunConfiguration
import Units

let presetsCommand = Command(
  "dsv3 presets",
  usage: "[--json]",
  summary: "named models, clusters and layouts",
  help: """
    Lists the models that model.preset and model.charge_as can name, with their parameters and
    those that one token meets (MTP modules are counted apart, as in the literature); the clusters
    that cluster.preset can name, with what one GPU has (links per direction); and the whole
    configurations that --preset can name, with their layout.
    """,
  options: [CommandOption("json", help: "as JSON")],
  run: listPresets)

private func listPresets(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let layouts = try RunPreset.all.map { preset in
    (preset, try RunConfiguration.load(preset: preset.name))
  }
  if options.has("json") {
    let value = JSONValue.object([
      "models": .array(ModelPreset.all.map(json)),
      "clusters": .array(ClusterPreset.all.map(json)),
      "layouts": .array(layouts.map(json)),
    ])
    print(String(decoding: value.text(), as: UTF8.self), terminator: "")
    return
  }
  print(modelTable(), clusterTable(), layoutTable(layouts), separator: "\n\n")
}

private func modelTable() -> String {
  let rows = ModelPreset.all.map { preset in
    let census = census(preset)
    return [
      preset.name, rounded(census.mainModel.parameters),
      rounded(census.mainModel.activatedParameters),
      preset.spec.mtpDepth == 0 ? "-" : rounded(census.mtp.parameters), preset.summary,
    ]
  }
  return table([["model", "parameters", "activated", "MTP", ""]] + rows, right: [1, 2, 3])
}

private func clusterTable() -> String {
  let rows = ClusterPreset.all.map { preset in
    let (gpu, node, network) = (preset.spec.gpu, preset.spec.node, preset.spec.network)
    return [
      preset.name, "\(gpu.sms)", gpu.peakBF16.text, gpu.peakFP8.text, gpu.memory.text,
      gpu.memoryBandwidth.text, "\(node.gpus)", node.nvlink.text, network.nic.text,
      preset.summary,
    ]
  }
  let head = [
    "cluster", "SMs", "BF16", "FP8", "memory", "bandwidth", "node", "NVLink", "NIC", "",
  ]
  return table([head] + rows, right: Set(1...8))
}

private func layoutTable(_ layouts: [(RunPreset, RunConfiguration)]) -> String {
  let rows = layouts.map { preset, run in
    [
      preset.name, run.modelPreset ?? "-", run.clusterPreset, "\(run.layout.worldSize)",
      "\(run.layout.pipeline)", "\(run.layout.data)", "\(run.layout.expert)",
      "\(run.layout.gpusPerNode)", run.scheduleName ?? "-", "\(run.plan.microBatches)",
      preset.summary,
    ]
  }
  let head = [
    "layout", "model", "cluster", "GPUs", "pipeline", "data", "expert", "node", "schedule",
    "micro-batches", "",
  ]
  return table([head] + rows, right: [3, 4, 5, 6, 7, 9])
}

private func census(_ preset: ModelPreset) -> ParameterCensus {
  ParameterCensus(preset.spec, sequenceLength: preset.spec.maxPositions)
}

private func json(_ preset: ModelPreset) -> JSONValue {
  let census = census(preset)
  return .object([
    "name": .string(preset.name), "summary": .string(preset.summary),
    "parameters": .integer(census.mainModel.parameters),
    "activated_parameters": .integer(census.mainModel.activatedParameters),
    "mtp_parameters": .integer(census.mtp.parameters),
    "layers": .integer(preset.spec.layers), "hidden": .integer(preset.spec.hiddenSize),
    "experts": .integer(preset.spec.routedExperts),
    "experts_per_token": .integer(preset.spec.expertsPerToken),
    "vocabulary": .integer(preset.spec.vocabularySize),
  ])
}

private func json(_ preset: ClusterPreset) -> JSONValue {
  let (gpu, node, network) = (preset.spec.gpu, preset.spec.node, preset.spec.network)
  return .object([
    "name": .string(preset.name), "summary": .string(preset.summary),
    "sms": .integer(gpu.sms), "memory_bytes": .integer(gpu.memory.bytes),
    "memory_bytes_per_second": .number(gpu.memoryBandwidth.bytesPerSecond),
    "peak_bf16_flops_per_second": .number(gpu.peakBF16.flopsPerSecond),
    "peak_fp8_flops_per_second": .number(gpu.peakFP8.flopsPerSecond),
    "gpus_per_node": .integer(node.gpus),
    "nvlink_bytes_per_second": .number(node.nvlink.bytesPerSecond),
    "nic_bytes_per_second": .number(network.nic.bytesPerSecond),
  ])
}

private func json(_ preset: RunPreset, _ run: RunConfiguration) -> JSONValue {
  .object([
    "name": .string(preset.name), "summary": .string(preset.summary),
    "model": .string(run.modelPreset ?? ""), "cluster": .string(run.clusterPreset),
    "gpus": .integer(run.layout.worldSize), "pipeline": .integer(run.layout.pipeline),
    "data": .integer(run.layout.data), "expert": .integer(run.layout.expert),
    "gpus_per_node": .integer(run.layout.gpusPerNode),
    "schedule": .string(run.scheduleName ?? ""),
    "microbatches": .integer(run.plan.microBatches),
    "micro_batch": .integer(run.plan.microBatch),
    "sequence": .integer(run.plan.sequenceLength),
  ])
}
