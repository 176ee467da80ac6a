// Golden directories of Tests/Fixtures/golden: a model, inputs, and what Hugging Face's
// DeepSeek-V3 makes of them (README.md there says how they were made).

import Kernels
import Model
import ModelSpec

/// One golden directory, opened.
struct Golden {
  let directory: String
  let spec: ModelSpec
  let weights: [SafeTensors]

  static func path(_ name: String) -> String {
    let here = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    return "/\(here)/Fixtures/golden/\(name)"
  }

  init(_ name: String, config: String = "config.json") throws {
    directory = Self.path(name)
    spec = try ModelSpec(configFile: directory + "/" + config)
    let files =
      name.hasPrefix("tiny-mtp")
      ? ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
      : ["model.safetensors"]
    let folder = directory
    weights = try files.map { try SafeTensors(path: "\(folder)/\($0)") }
  }

  func open(_ file: String) throws -> SafeTensors {
    try SafeTensors(path: "\(directory)/\(file).safetensors")
  }

  /// The golden model with its weights in it.
  func transformer(
    _ convention: MTPConvention = .released, positions: Int = 64, numerics: Numerics = Numerics()
  ) throws -> Transformer {
    let model = Transformer(
      spec, convention: convention, positions: positions, numerics: numerics)
    for group in model.store.groups {
      for parameter in group.parameters {
        let values = try find(parameter.name).floats(parameter.name)
        for (i, value) in values.enumerated() { parameter.value.base[i] = value }
      }
    }
    for block in model.stage.allBlocks {
      guard let router = block.router else { continue }
      let name = ModelParameters.biasName(layer: block.layer)
      for (i, value) in try find(name).floats(name).enumerated() { router.bias.base[i] = value }
    }
    return model
  }

  private func find(_ name: String) throws -> SafeTensors {
    for file in weights where file.contains(name) { return file }
    return weights[0]
  }

  /// inputs.safetensors as one micro-batch: every place but the last predicts its next.
  func batch() throws -> MicroBatch {
    let inputs = try open("inputs")
    let shape = try inputs.info("input_ids").shape
    return MicroBatch(
      sequences: shape[0], length: shape[1],
      tokens: try inputs.integers("input_ids").map(Int32.init),
      labels: try inputs.integers("labels").map(Int32.init))
  }
}

/// max|a − b| / max|b|, the measure of the issue and of NOTES.md.
func relativeError(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count else { return .infinity }
  var difference: Float = 0
  var largest: Float = 0
  for (x, y) in zip(a, b) {
    difference = max(difference, abs(x - y))
    largest = max(largest, abs(y))
    if x.isNaN || y.isNaN { return .nan }
  }
  return largest == 0 ? difference : difference / largest
}
