// Models by name, each with the source of its sizes.

/// A named model.
package struct ModelPreset: Equatable, Sendable {
  package var name: String
  /// What the model is for, in one line.
  package var summary: String
  package var spec: ModelSpec

  /// All presets: the largest first, the default second.
  package static let all = [deepseekV3, mini, mid]

  package static var names: [String] { all.map(\.name) }

  /// The preset called `name`; throws `ModelSpecError` naming the nearest when there is none.
  package static func named(_ name: String) throws(ModelSpecError) -> ModelPreset {
    if let preset = all.first(where: { $0.name == name }) { return preset }
    let nearest = names.min { editDistance($0, name) < editDistance($1, name) } ?? ""
    let close = editDistance(nearest, name) <= max(2, name.count / 3)
    throw ModelSpecError(
      .badRequest, source: "model preset '\(name)'",
      message: (close ? "unknown; did you mean '\(nearest)'?" : "unknown;")
        + " there are \(names.joined(separator: ", "))")
  }

  /// DeepSeek-V3, 671B. Sizes: technical report, section 4.2, and the released config.json
  /// (`n_group` 8, `topk_group` 4). Pre-training at 4096 positions is before YaRN (section 4.3);
  /// the initial standard deviation is the report's 0.006, where the released file says 0.02.
  package static let deepseekV3: ModelPreset = {
    var spec = ModelSpec(
      vocabularySize: 129280, hiddenSize: 7168, layers: 61, denseLayers: 3,
      denseIntermediateSize: 18432, heads: 128, queryCompression: 1536, keyValueCompression: 512,
      nopeHeadDim: 128, ropeHeadDim: 64, valueHeadDim: 128, routedExperts: 256, sharedExperts: 1,
      expertIntermediateSize: 2048, expertsPerToken: 8, expertGroups: 8, groupsPerToken: 4)
    spec.routedScalingFactor = 2.5
    spec.mtpDepth = 1
    spec.maxPositions = 4096
    spec.initializerRange = 0.006
    return ModelPreset(
      name: "deepseek-v3", summary: "DeepSeek-V3 as pre-trained, 671B parameters", spec: spec)
  }()

  /// The default run's model: every part of DeepSeek-V3 at sizes that learn text on two CPU cores
  /// in two minutes. The vocabulary is 256 bytes and 3 specials; the ratios of widths follow the
  /// large model loosely. Chosen here, not published.
  package static let mini: ModelPreset = {
    var spec = ModelSpec(
      vocabularySize: 259, hiddenSize: 64, layers: 6, denseLayers: 1, denseIntermediateSize: 256,
      heads: 4, queryCompression: 48, keyValueCompression: 32, nopeHeadDim: 16, ropeHeadDim: 8,
      valueHeadDim: 16, routedExperts: 8, sharedExperts: 1, expertIntermediateSize: 48,
      expertsPerToken: 2, expertGroups: 4, groupsPerToken: 2)
    spec.routedScalingFactor = 2.5
    spec.mtpDepth = 1
    spec.initializerRange = 0.04
    return ModelPreset(
      name: "dsv3-mini", summary: "the default: byte-level text on a laptop", spec: spec)
  }()

  /// The benchmark's model: large enough that a step is matrix products. Chosen here, not
  /// published; PyTorch's figures that the benchmark is held against are of the same sizes.
  package static let mid: ModelPreset = {
    var spec = ModelSpec(
      vocabularySize: 8192, hiddenSize: 256, layers: 8, denseLayers: 1, denseIntermediateSize: 512,
      heads: 8, queryCompression: 128, keyValueCompression: 64, nopeHeadDim: 32, ropeHeadDim: 16,
      valueHeadDim: 32, routedExperts: 16, sharedExperts: 1, expertIntermediateSize: 128,
      expertsPerToken: 4, expertGroups: 4, groupsPerToken: 2)
    spec.routedScalingFactor = 2.5
    spec.initializerRange = 0.02
    return ModelPreset(
      name: "dsv3-mid", summary: "the benchmark of one rank's step", spec: spec)
  }()
}

/// Letters to insert, delete or replace to turn `left` into `right`.
private func editDistance(_ left: String, _ right: String) -> Int {
  let right = Array(right)
  var row = Array(0...right.count)
  for letter in left {
    var diagonal = row[0]
    row[0] += 1
    for (index, other) in right.enumerated() {
      let replaced = diagonal + (letter == other ? 0 : 1)
      diagonal = row[index + 1]
      row[index + 1] = min(replaced, row[index] + 1, row[index + 1] + 1)
    }
  }
  return row[right.count]
}
