// A checkpoint run on given tokens: logits, losses and gradients as `dsv3 evaluate` writes them.
// One process, the whole model, so that any other program's figures can be held against these.

internal import Kernels
package import ModelSpec

/// What a checkpoint makes of a batch of tokens.
package struct Evaluation {
  package struct Options: Sendable {
    /// How MTP modules join hidden state and embedding.
    package var convention: MTPConvention
    /// λ of eq. 25.
    package var mtpWeight: Double
    /// Whether the loss's gradients are made too.
    package var gradients: Bool

    package init(
      convention: MTPConvention = .released, mtpWeight: Double = 0.3, gradients: Bool = false
    ) {
      self.convention = convention
      self.mtpWeight = mtpWeight
      self.gradients = gradients
    }
  }

  /// The model that was run: the directory's, with as many MTP modules as it has weights for.
  package let spec: ModelSpec
  package let sequences: Int
  /// Tokens of a sequence.
  package let length: Int
  /// Tokens that the main loss is the mean over.
  package let predictedTokens: Int
  /// main + λ · mtp (eq. 25), in nats.
  package var loss: Double { result.loss }
  package var mainLoss: Double { result.mainLoss }
  /// Mean over the modules of each one's sum, divided by `predictedTokens` (eq. 24).
  package var mtpLoss: Double { result.mtpLoss }
  /// By layer with experts (MTP's follow the main model's), the tokens each expert got.
  package let expertLoads: [(layer: Int, tokens: [Int])]
  /// Tensors of the directory that were not used.
  package let passedOver: [String]

  private let model: Transformer
  private let result: Transformer.Result
  private let hasGradients: Bool

  /// Runs the checkpoint on the inputs.
  ///
  /// `inputs` has `input_ids` [batch, seq] and may have `labels` of the same shape, I64 or I32:
  /// position i predicts label i + 1; negative labels are ignored, and without labels the inputs
  /// are predicted. Throws `CheckpointError` naming file and tensor when weights or inputs are
  /// missing, of the wrong type or shape, outside the vocabulary, or too short to predict from.
  package init(
    of checkpoint: HuggingFaceDirectory, on inputs: SafeTensors, options: Options = Options()
  ) throws(CheckpointError) {
    spec = checkpoint.specWithPresentMTP
    let batch = try EvaluationInputs(inputs, spec: spec).microBatch
    sequences = batch.sequences
    length = batch.length
    predictedTokens = batch.targets(ahead: 1, positions: batch.length).count { $0 >= 0 }
    model = Transformer(spec, convention: options.convention, positions: batch.length)
    passedOver = try model.load(checkpoint)
    do {
      result = try model.evaluate(
        batch, mtpWeight: options.mtpWeight, gradients: options.gradients)
    } catch {
      preconditionFailure("experts of the same process can always be reached: \(error)")
    }
    hasGradients = options.gradients
    expertLoads = model.stage.allBlocks.compactMap { block in
      block.router.map { (block.layer, $0.load) }
    }
  }

  /// The largest load of an expert over the mean of its layer, and where; nil without experts.
  package var largestLoad: (ratio: Double, layer: Int, expert: Int)? {
    var largest: (ratio: Double, layer: Int, expert: Int)?
    for (layer, tokens) in expertLoads {
      let mean = Double(tokens.reduce(0, +)) / Double(max(tokens.count, 1))
      for (expert, load) in tokens.enumerated() where mean > 0 {
        let ratio = Double(load) / mean
        if ratio > largest?.ratio ?? 0 { largest = (ratio, layer, expert) }
      }
    }
    return largest
  }

  /// Writes `logits` [batch, seq, vocab] and `loss` [1]; with MTP also `main_loss`, `mtp_loss` and
  /// `mtp_logits` [batch, seq − 2, vocab], a second module's as `mtp_logits.2`
  /// [batch, seq − 3, vocab] and so on. All F32.
  package func writeOutputs(to path: String) throws(CheckpointError) {
    var tensors = [scalar("loss", loss), logits("logits", result.logits)]
    if spec.mtpDepth > 0 {
      tensors += [scalar("main_loss", mainLoss), scalar("mtp_loss", mtpLoss)]
      for (module, values) in result.mtpLogits.enumerated() {
        tensors.append(logits(module == 0 ? "mtp_logits" : "mtp_logits.\(module + 1)", values))
      }
    }
    try write(tensors, to: path)
  }

  /// Writes the gradient of the loss for each parameter, under its name and in its shape, F32.
  ///
  /// - Precondition: gradients were asked for.
  package func writeGradients(to path: String) throws(CheckpointError) {
    precondition(hasGradients, "gradients are there when they were asked for")
    let tensors = spec.parameters().filter { !$0.isBuffer }.map { parameter in
      let gradient = model.store[parameter.name].gradient
      return SafeTensors.Tensor(
        parameter.name, shape: parameter.shape,
        .buffer(UnsafeBufferPointer(start: gradient.base, count: parameter.elements)))
    }
    try write(tensors, to: path)
  }

  private func scalar(_ name: String, _ value: Double) -> SafeTensors.Tensor {
    SafeTensors.Tensor(name, shape: [1], .floats([Float(value)]))
  }

  private func logits(_ name: String, _ values: Tensor) -> SafeTensors.Tensor {
    SafeTensors.Tensor(
      name, shape: [sequences, values.rows / sequences, values.columns],
      .buffer(UnsafeBufferPointer(values.buffer)))
  }

  /// The tensors are views of the model's and the result's memory, which live as long as this.
  private func write(_ tensors: [SafeTensors.Tensor], to path: String) throws(CheckpointError) {
    defer { withExtendedLifetime((model, result)) {} }
    try SafeTensors.write(tensors, to: path)
  }
}

extension HuggingFaceDirectory {
  /// The directory's model without the MTP modules that config.json announces and the weights
  /// leave out, as in checkpoints that were saved by programs without MTP.
  var specWithPresentMTP: ModelSpec {
    var present = spec
    let tensors = names
    present.mtpDepth =
      (0..<spec.mtpDepth).prefix { module in
        tensors.contains { $0.hasPrefix("model.layers.\(spec.layers + module).") }
      }.count
    return present
  }
}

extension Transformer {
  /// Fills weights and router biases; returns the names of tensors that were passed over.
  func load(_ checkpoint: HuggingFaceDirectory) throws(CheckpointError) -> [String] {
    var biases: [String: Tensor] = [:]
    for block in stage.allBlocks {
      guard let router = block.router else { continue }
      biases[ModelParameters.biasName(layer: block.layer)] = router.bias
    }
    return try checkpoint.loadParameters(of: spec) { (parameter) throws(CheckpointError) in
      if let bias = biases[parameter.name] { return bias.buffer }
      return UnsafeMutableBufferPointer(
        start: store[parameter.name].value.base, count: parameter.elements)
    }
  }
}
