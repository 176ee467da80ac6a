// An evaluation from directory and inputs to files: every kind of model that a config.json may
// describe, held against one that must compute the same, and inputs that cannot be used.

import Kernels
import Model
import ModelSpec
import Testing

@Suite struct EvaluationTests {
  /// Writes the model as a Hugging Face directory below `scratch`.
  private func checkpoint(
    _ model: Transformer, in scratch: HuggingFaceScratch, _ name: String = "model",
    leavingOut isLeftOut: (String) -> Bool = { _ in false }
  ) throws -> HuggingFaceDirectory {
    let biases = Dictionary(
      uniqueKeysWithValues: model.stage.allBlocks.compactMap { block in
        block.router.map { (ModelParameters.biasName(layer: block.layer), $0.bias.array) }
      })
    let tensors = model.spec.parameters().map { parameter in
      let values =
        biases[parameter.name]
        ?? (0..<parameter.elements).map { model.store[parameter.name].value.base[$0] }
      return SafeTensors.Tensor(parameter.name, shape: parameter.shape, .floats(values))
    }
    let path = "\(scratch.path)/\(name)"
    try HuggingFaceDirectory.write(spec: model.spec, tensors: tensors, to: path)
    let kept = tensors.filter { !isLeftOut($0.name) }
    if kept.count < tensors.count {
      try SafeTensors.write(kept, to: "\(path)/model.safetensors")
    }
    return try HuggingFaceDirectory(path: path)
  }

  private func inputs(
    _ tokens: [Int], labels: [Int]? = nil, shape: [Int]? = nil, in scratch: HuggingFaceScratch
  ) throws -> SafeTensors {
    var tensors = [
      SafeTensors.Tensor("input_ids", shape: shape ?? [2, tokens.count / 2], .integers(tokens))
    ]
    if let labels {
      tensors.append(.init("labels", shape: [2, labels.count / 2], .integers(labels)))
    }
    let path = "\(scratch.path)/inputs.safetensors"
    try SafeTensors.write(tensors, to: path)
    return try SafeTensors(path: path)
  }

  private static let tokens = (0..<14).map { $0 * 5 % 24 }

  /// The logits as written to a file.
  private func logits(_ evaluation: Evaluation, _ scratch: HuggingFaceScratch) throws -> [Float] {
    let path = "\(scratch.path)/out.safetensors"
    try evaluation.writeOutputs(to: path)
    return try SafeTensors(path: path).floats("logits")
  }

  @Test func twoModulesWriteTwoLogits() throws {
    let scratch = try HuggingFaceScratch()
    let model = FiniteDifferenceTests.model(
      FiniteDifferenceTests.spec(queryCompression: nil, mtpDepth: 2))
    let evaluation = try Evaluation(
      of: checkpoint(model, in: scratch), on: inputs(Self.tokens, in: scratch),
      options: .init(gradients: true))
    let path = "\(scratch.path)/out.safetensors"
    try evaluation.writeOutputs(to: path)
    let file = try SafeTensors(path: path)
    #expect(
      Set(file.names)
        == ["logits", "loss", "main_loss", "mtp_loss", "mtp_logits", "mtp_logits.2"])
    #expect(try file.info("logits").shape == [2, 7, 24])
    #expect(try file.info("mtp_logits").shape == [2, 5, 24])
    #expect(try file.info("mtp_logits.2").shape == [2, 4, 24])
    try evaluation.writeGradients(to: path)
    let gradients = try SafeTensors(path: path)
    let parameters = model.spec.parameters().filter { !$0.isBuffer }
    #expect(Set(gradients.names) == Set(parameters.map(\.name)))
    for parameter in parameters {
      #expect(try gradients.info(parameter.name).shape == parameter.shape)
    }
  }

  /// Checkpoints that were saved without MTP keep num_nextn_predict_layers in config.json.
  @Test func modulesWithoutWeightsAreLeftOut() throws {
    let scratch = try HuggingFaceScratch()
    let model = FiniteDifferenceTests.model(
      FiniteDifferenceTests.spec(queryCompression: 8, mtpDepth: 1))
    let file = try inputs(Self.tokens, in: scratch)
    let whole = try Evaluation(of: checkpoint(model, in: scratch), on: file)
    let part = try Evaluation(
      of: checkpoint(model, in: scratch, "part") { $0.hasPrefix("model.layers.2.") }, on: file)
    #expect(whole.spec.mtpDepth == 1 && part.spec.mtpDepth == 0)
    #expect(part.loss == whole.mainLoss)
    // A module of which only one tensor is missing is a damaged one.
    let damaged = try checkpoint(model, in: scratch, "damaged") { $0.hasSuffix("eh_proj.weight") }
    #expect(throws: CheckpointError.self) { try Evaluation(of: damaged, on: file) }
  }

  /// One group is the same as two groups of which both may be used.
  @Test func oneGroupOfExpertsIsAllGroups() throws {
    let scratch = try HuggingFaceScratch()
    var spec = FiniteDifferenceTests.spec(queryCompression: 8, mtpDepth: 0)
    let file = try inputs(Self.tokens, in: scratch)
    var results: [[Float]] = []
    for groups in [1, 2] {
      (spec.expertGroups, spec.groupsPerToken) = (groups, groups)
      let model = FiniteDifferenceTests.model(spec)
      for block in model.stage.allBlocks { block.router?.bias.fill(0) }
      let evaluation = try Evaluation(of: checkpoint(model, in: scratch, "\(groups)"), on: file)
      #expect(evaluation.expertLoads.map(\.layer) == [1])
      #expect(evaluation.expertLoads[0].tokens.reduce(0, +) == 28)
      results.append(try logits(evaluation, scratch))
    }
    #expect(results[0] == results[1])
  }

  /// A model whose layers are all dense computes the same whether it could have experts or not.
  @Test func aModelWithoutExpertsIsOneWhoseLayersAreAllDense() throws {
    let scratch = try HuggingFaceScratch()
    var spec = FiniteDifferenceTests.spec(queryCompression: nil, mtpDepth: 0)
    spec.denseLayers = 2
    let file = try inputs(Self.tokens, in: scratch)
    let some = FiniteDifferenceTests.model(spec)
    spec.routedExperts = 0
    let none = FiniteDifferenceTests.model(spec)
    let a = try Evaluation(of: checkpoint(some, in: scratch, "some"), on: file)
    let b = try Evaluation(of: checkpoint(none, in: scratch, "none"), on: file)
    #expect(b.expertLoads.isEmpty && b.largestLoad == nil)
    #expect(try logits(a, scratch) == logits(b, scratch))
  }

  /// bf16 weights are those fp32 weights that end in 16 zeros.
  @Test func halfPreciseWeightsAreReadExactly() throws {
    let scratch = try HuggingFaceScratch()
    let model = FiniteDifferenceTests.model(
      FiniteDifferenceTests.spec(queryCompression: 8, mtpDepth: 1))
    for parameter in model.store.groups.flatMap(\.parameters) {
      for i in 0..<parameter.shape.count {
        let bits = parameter.value.base[i].bitPattern & 0xFFFF_0000
        parameter.value.base[i] = Float(bitPattern: bits)
      }
    }
    let file = try inputs(Self.tokens, in: scratch)
    let directory = try checkpoint(model, in: scratch)
    let single = try Evaluation(of: directory, on: file)
    var header: [String] = []
    var data: [UInt8] = []
    for name in directory.names {
      let info = try directory.info(name)
      let start = data.count
      let isBias = name.hasSuffix("correction_bias")
      for value in try directory.floats(name) {
        let bits = value.bitPattern
        withUnsafeBytes(of: bits) { data += $0.dropFirst(isBias ? 0 : 2) }
      }
      header.append(
        "\"\(name)\":{\"dtype\":\"\(isBias ? "F32" : "BF16")\",\"shape\":\(info.shape),"
          + "\"data_offsets\":[\(start),\(data.count)]}")
    }
    scratch.write(
      "model/model.safetensors",
      safeTensorsFile(header: "{\(header.joined(separator: ","))}", data: data))
    let half = try Evaluation(of: HuggingFaceDirectory(path: directory.path), on: file)
    #expect(half.loss == single.loss)
  }

  /// Labels default to the inputs; the loss over all places is the mean of the losses over halves.
  @Test func labelsAreTheInputsOrWhatIsNotIgnored() throws {
    let scratch = try HuggingFaceScratch()
    let model = FiniteDifferenceTests.model(
      FiniteDifferenceTests.spec(queryCompression: 8, mtpDepth: 0))
    let directory = try checkpoint(model, in: scratch)
    func evaluate(_ labels: [Int]?) throws -> Evaluation {
      try Evaluation(of: directory, on: inputs(Self.tokens, labels: labels, in: scratch))
    }
    let all = try evaluate(nil)
    #expect(all.predictedTokens == 12)
    #expect(try evaluate(Self.tokens).loss == all.loss)
    let first = try evaluate(Array(Self.tokens[..<7]) + Array(repeating: -100, count: 7))
    let second = try evaluate(Array(repeating: .min, count: 7) + Array(Self.tokens[7...]))
    #expect(first.predictedTokens == 6 && second.predictedTokens == 6)
    #expect(abs((first.loss + second.loss) / 2 - all.loss) < 1e-6)
  }

  @Test func inputsThatCannotBeUsedAreNamed() throws {
    let scratch = try HuggingFaceScratch()
    let model = FiniteDifferenceTests.model(
      FiniteDifferenceTests.spec(queryCompression: 8, mtpDepth: 1))
    let directory = try checkpoint(model, in: scratch)
    func failure(_ file: SafeTensors) -> CheckpointError? {
      do {
        _ = try Evaluation(of: directory, on: file)
        return nil
      } catch { return error }
    }
    let cases: [(tokens: [Int], labels: [Int]?, shape: [Int]?, message: String)] = [
      ([1, 2, 3, 24, 5, 6], nil, nil, "24 at [1, 0] is not a token of the vocabulary"),
      ([1, 2, 3, -1, 5, 6], nil, nil, "-1 at [1, 0]"),
      ([1, 2, 3, 4, 5, 6], nil, [6], "shape [6] where [batch, seq]"),
      ([], nil, [0, 3], "shape [0, 3]"),
      ([1, 2, 3, 4], nil, nil, "2 tokens are too short: at least 3"),
      ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4], nil, "shape [2, 2] where [2, 3]"),
      ([1, 2, 3, 4, 5, 6], [1, 2, 99, 4, 5, 6], nil, "99 at [0, 2]"),
      ([1, 2, 3, 4, 5, 6], [1, -1, -1, 4, -1, -1], nil, "all are negative"),
    ]
    for test in cases {
      let error = try failure(
        inputs(test.tokens, labels: test.labels, shape: test.shape, in: scratch))
      #expect(error?.exitCode == 65)
      #expect(error?.tensor == (test.labels == nil ? "input_ids" : "labels"))
      #expect(error?.file.hasSuffix("inputs.safetensors") == true)
      #expect(error?.message.contains(test.message) == true, "\(String(describing: error))")
    }
    let path = "\(scratch.path)/wrong.safetensors"
    try SafeTensors.write([.init("input_ids", shape: [1, 3], .floats([1, 2, 3]))], to: path)
    #expect(try failure(SafeTensors(path: path))?.message == "dtype F32 where I64 or I32 is needed")
    try SafeTensors.write([.init("tokens", shape: [1, 3], .integers([1, 2, 3]))], to: path)
    #expect(try failure(SafeTensors(path: path))?.tensor == "input_ids")
  }
}
