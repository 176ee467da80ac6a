// `dsv3 presets`: what cluster.yaml can name.

import JSON
import ModelSpec
import RunConfiguration

let presetsCommand = Command(
  "dsv3 presets",
  usage: "[--json]",
  summary: "named models and their sizes",
  help: """
    Lists the models that model.preset can name, with their parameters and those that one token
    meets. MTP modules are counted apart, as in the literature.
    """,
  options: [CommandOption("json", help: "as JSON")],
  run: listPresets)

private func listPresets(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let models = ModelPreset.all.map { preset in
    (preset, ParameterCensus(preset.spec, sequenceLength: preset.spec.maxPositions))
  }
  if options.has("json") {
    let value = JSONValue.object(["models": .array(models.map(json))])
    print(String(decoding: value.text(), as: UTF8.self), terminator: "")
    return
  }
  let rows = models.map { preset, census in
    [
      preset.name, rounded(census.mainModel.parameters),
      rounded(census.mainModel.activatedParameters),
      preset.spec.mtpDepth == 0 ? "-" : rounded(census.mtp.parameters), preset.summary,
    ]
  }
  print(table([["model", "parameters", "activated", "MTP", ""]] + rows, right: [1, 2, 3]))
}

private func json(_ preset: ModelPreset, _ census: ParameterCensus) -> JSONValue {
  .object([
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
