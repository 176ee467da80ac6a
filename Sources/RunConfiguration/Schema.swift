// Every key of cluster.yaml in one table. Reading, checking, `dsv3 config`, and the test that
// keeps docs/configuration.md and the shipped cluster.yaml true all follow it; defaults are those
// of a new RunConfiguration.

internal import ModelSpec

extension RunConfiguration {
  /// All keys, in the order of the file.
  package static let schema: [SettingKey] =
    modelKeys + dimensionKeys + routingKeys + clusterKeys + layoutKeys + numericsKeys
    + trainingKeys + optimizerKeys + dataKeys + simulationKeys + checkpointKeys + supervisionKeys
    + outputKeys

  private static let modelKeys: [SettingKey] = [
    SettingKey(
      "model.preset", insteadOf: "model.path", \.modelPreset, .text("the name of a model"),
      "A model known by name; not together with model.path."),
    SettingKey(
      "model.path", insteadOf: "model.preset", \.modelPath, .text("a directory"),
      "A directory with Hugging Face's config.json; not together with model.preset."),
    SettingKey(
      "model.charge_as", \.chargeAs, .orWord("none", .text("the name of a model")),
      "The model whose shapes the virtual clock charges; none charges the run's own."),
    SettingKey(
      "model.charge_sequence", \.chargeSequence,
      .orWord("default", .integer(1...SizeLimit.sequence)), unit: "tokens",
      "Length of a sequence that the virtual clock charges; default is the report's 4096 with a "
        + "model in charge_as, and otherwise the run's."),
    SettingKey(
      "model.charge_precision", \.chargePrecision, .choice(),
      "Number format of the matrix multiplications that the virtual clock charges."),
    SettingKey(
      "model.routing", \.routing, .choice(),
      "How tokens find their experts: by the trained router, all experts alike, or, only in a "
        + "simulation, drawn by the popularity of the experts."),
    SettingKey(
      "model.mtp.depth", \.mtpDepth, .orWord("default", .integer(0...SizeLimit.layers)),
      unit: "modules", "Multi-token-prediction modules; default is the model's own number."),
    SettingKey(
      "model.mtp.convention", \.plan.mtpConvention, .choice(),
      "How an MTP module joins hidden state and embedding: as the report's equation 21 or as "
        + "the released checkpoint."),
    SettingKey(
      "model.vocabulary", \.vocabularySize,
      .orWord("default", .integer(2...SizeLimit.vocabulary)), unit: "tokens",
      "Size of the vocabulary; default is the model's own."),
    SettingKey(
      "model.initializer_range", \.initializerRange, .orWord("default", .positive),
      "Standard deviation of new weights; default is the model's own."),
  ]

  private static let dimensionKeys: [SettingKey] = [
    width("hidden", \.dimensions.hidden, "Size of the hidden state."),
    count(
      "layers", \.dimensions.layers, 1...SizeLimit.layers, unit: "layers",
      "Layers of the main model, MTP modules not counted."),
    count(
      "dense_layers", \.dimensions.denseLayers, 0...SizeLimit.layers, unit: "layers",
      "The first so many layers have a dense FFN instead of experts."),
    count("heads", \.dimensions.heads, 1...SizeLimit.width, unit: "heads", "Attention heads."),
    SettingKey(
      "model.dimensions.query_compression", \.dimensions.queryProjection,
      .orWord("default", .queryProjection), unit: "elements",
      "Rank of the compressed query; none projects the query directly."),
    width(
      "kv_compression", \.dimensions.keyValueCompression, "Rank of the compressed key and value."),
    width(
      "nope_head_dim", \.dimensions.nopeHeadDim,
      "Size of a head's query and key without position."),
    width(
      "rope_head_dim", \.dimensions.ropeHeadDim, "Size of a head's rotary query and key; even."),
    width("value_head_dim", \.dimensions.valueHeadDim, "Size of a head's value."),
    width("dense_width", \.dimensions.denseWidth, "Inner width of a dense FFN."),
    count(
      "experts", \.dimensions.experts, 0...SizeLimit.experts, unit: "experts",
      "Routed experts of a layer."),
    count(
      "shared_experts", \.dimensions.sharedExperts, 0...SizeLimit.experts, unit: "experts",
      "Experts that every token passes."),
    width("expert_width", \.dimensions.expertWidth, "Inner width of an expert."),
    count(
      "experts_per_token", \.dimensions.expertsPerToken, 1...SizeLimit.experts, unit: "experts",
      "Routed experts that a token passes."),
    count(
      "groups", \.dimensions.groups, 1...SizeLimit.experts, unit: "groups",
      "Groups that the routed experts are divided into."),
    count(
      "groups_per_token", \.dimensions.groupsPerToken, 1...SizeLimit.experts, unit: "groups",
      "Groups that a token's experts may come from."),
    SettingKey(
      "model.dimensions.routed_scaling_factor", \.dimensions.routedScalingFactor,
      .orWord("default", .positive), "Factor on the sum of the routed experts."),
  ]

  private static func width(
    _ name: String, _ property: Property<Int?>,
    _ meaning: String
  ) -> SettingKey {
    count(name, property, 1...SizeLimit.width, unit: "elements", meaning)
  }

  private static func count(
    _ name: String, _ property: Property<Int?>,
    _ range: ClosedRange<Int>, unit: String, _ meaning: String
  ) -> SettingKey {
    SettingKey(
      "model.dimensions." + name, property, .orWord("default", .integer(range)), unit: unit,
      meaning)
  }

  private static let layoutKeys: [SettingKey] = [
    SettingKey(
      "layout.pipeline", \.layout.pipeline, .integer(1...SizeLimit.ranks), unit: "ranks",
      "Ranks of a pipeline."),
    SettingKey(
      "layout.data", \.layout.data, .integer(1...SizeLimit.ranks), unit: "ranks",
      "Pipelines side by side, each with its own share of the batch."),
    SettingKey(
      "layout.expert", \.layout.expert, .integer(1...SizeLimit.ranks), unit: "ranks",
      "Neighbouring data ranks that share the routed experts out; divides layout.data."),
    SettingKey(
      "layout.stages", \.stageLayers,
      .orWord(
        "balanced", .list(of: .integer(0...SizeLimit.layers), "a list of layer counts")),
      unit: "layers",
      "Layers of each pipeline stage, first stage first; balanced divides them by FLOPs."),
    SettingKey(
      "layout.exchange", \.exchange, .choice(),
      "How tokens travel to experts: once per node and then inside it, or directly."),
    SettingKey(
      "schedule.name", insteadOf: "schedule.file", \.scheduleName, .text("the name of a schedule"),
      "A schedule known by name; not together with schedule.file."),
    SettingKey(
      "schedule.file", insteadOf: "schedule.name", \.scheduleFile, .text("a file"),
      "A schedule in pipeline CSV form; not together with schedule.name."),
    SettingKey(
      "schedule.microbatches", \.plan.microBatches, .integer(1...SizeLimit.batch),
      unit: "micro-batches", "Micro-batches of a step for each data rank."),
    SettingKey(
      "schedule.chunks", \.scheduleChunks, .integer(2...SizeLimit.layers),
      unit: "chunks", "Parts of the model on a rank under the interleaved schedules."),
  ]

  private static let numericsKeys: [SettingKey] = [
    SettingKey(
      "precision", \.plan.numerics.precision, .choice(),
      "Number format of the training: FP32, BF16, or FP8 as in the report."),
    SettingKey(
      "low_precision.accumulation", \.plan.numerics.accumulation, .choice(),
      "How an FP8 product is summed: in FP32, by the tensor core's 14 bits, or by them with a move "
        + "to FP32 every 128 terms. Other than fp32 is emulated term by term, and slow."),
    SettingKey(
      "low_precision.scaling", \.plan.numerics.scaling, .choice(),
      "What shares an FP8 scale: tiles and blocks as in the report, or the whole tensor, scaled by "
        + "its own largest number or, delayed, by that of the calls before."),
    SettingKey(
      "low_precision.gradient", \.plan.numerics.gradientTiles, .choice(),
      "What shares an FP8 scale in gradients of activations: 1x128 tiles, or the 128x128 blocks "
        + "that the report saw diverge."),
    SettingKey(
      "low_precision.moments", \.plan.numerics.givenMoments, .orWord("default", .choice()),
      "Number format of AdamW's moments; default is BF16 unless precision is fp32."),
    saving("recompute_norms", .recomputeNorms, "Compute outputs of norms again in the backward."),
    saving(
      "recompute_up_projections", .recomputeUpProjections,
      "Compute queries, keys and values again from their latents."),
    saving(
      "recompute_swiglu", .recomputeSwiGLU, "Compute the output of SwiGLU again from its inputs."),
    saving(
      "e5m6_attention_output", .e5m6AttentionOutput, "Keep the output of attention in E5M6."),
    saving("fp8_swiglu_inputs", .fp8SwiGLUInputs, "Keep the inputs of SwiGLU in FP8."),
  ]

  private static func saving(_ name: String, _ saving: MemorySaving, _ meaning: String)
    -> SettingKey
  {
    SettingKey("memory." + name, \.plan.numerics[saves: saving], .boolean, meaning)
  }

  private static let trainingKeys: [SettingKey] = [
    SettingKey(
      "training.steps", \.plan.steps, .integer(1...SizeLimit.steps), unit: "steps",
      "Length of the run."),
    SettingKey(
      "training.sequence", \.plan.sequenceLength, .integer(1...SizeLimit.sequence),
      unit: "tokens", "Length of a sequence."),
    SettingKey(
      "training.micro_batch", \.plan.microBatch, .integer(1...SizeLimit.batch),
      unit: "sequences", "Sequences of a micro-batch."),
    SettingKey(
      "training.seed", \.plan.seed, .seed, "Decides the weights at the start and the data's order."
    ),
    SettingKey(
      "training.learning_rate", \.plan.learningRate, .notNegative, "Peak of the learning rate."),
    SettingKey(
      "training.lr_schedule", \.plan.learningRateSchedule, .choice(),
      "Learning rate over the run: constant, or warm-up, plateau, cosine and two tails in the "
        + "report's proportions."),
    SettingKey(
      "training.warmup_steps", \.plan.warmupSteps, .integer(0...SizeLimit.steps), unit: "steps",
      "Steps until the learning rate reaches its peak."),
    SettingKey(
      "training.batch_schedule", \.plan.batchSchedule, .choice(),
      "Batch size over the run: constant, or growing at the start as in the report."),
  ]

  private static let optimizerKeys: [SettingKey] = [
    SettingKey("training.beta1", \.plan.beta1, .belowOne, "AdamW's decay of the mean gradient."),
    SettingKey("training.beta2", \.plan.beta2, .belowOne, "AdamW's decay of the mean square."),
    SettingKey(
      "training.epsilon", \.plan.epsilon, .positive, "AdamW's guard against division by zero."),
    SettingKey(
      "training.weight_decay", \.plan.weightDecay, .notNegative,
      "AdamW's weight decay, times the learning rate in each step."),
    SettingKey(
      "training.weight_decay_on", \.plan.weightDecayScope, .choice(),
      "What decays: all weights, or the matrices and not the norms."),
    SettingKey(
      "training.ema_decay", \.plan.emaDecay, .belowOne,
      "Share that the running mean of the weights keeps of itself at each step; 0 keeps none."),
    SettingKey(
      "training.clip_norm", \.plan.clipNorm, .positive,
      "Largest norm of the whole gradient; a longer one is scaled down to it."),
    SettingKey(
      "training.bias_update_speed", \.plan.biasUpdateSpeed, .notNegative, unit: "per step",
      "Speed γ of the expert bias that balances load without a loss."),
    SettingKey(
      "training.bias_update_until", \.plan.biasUpdateUntil, .share, unit: "share of the run",
      "After this share of the run γ is 0."),
    SettingKey(
      "training.balance_loss_weight", \.plan.balanceLossWeight, .notNegative,
      "Weight α of the sequence-wise balance loss."),
    SettingKey(
      "training.mtp_weight", \.plan.mtpWeight, .notNegative,
      "Weight λ of the MTP loss at first."),
    SettingKey(
      "training.mtp_weight_late", \.plan.mtpWeightLate, .notNegative,
      "Weight λ of the MTP loss from mtp_weight_switch on."),
    SettingKey(
      "training.mtp_weight_switch", \.plan.mtpWeightSwitch, .share, unit: "share of the run",
      "Where λ changes."),
  ]

  private static let dataKeys: [SettingKey] = [
    SettingKey(
      "data.sources", \.dataSources, .list(of: .text("a path"), "a list of files and directories"),
      "Files and directories of text, relative to the working directory."),
    SettingKey("data.tokenizer", \.tokenizer, .choice(), "How text becomes tokens: byte by byte."),
    SettingKey(
      "data.held_out", \.heldOutShare, .belowOne, unit: "share of the bytes",
      "Text that is not trained on and measures the loss at the end."),
  ]

  private static let checkpointKeys: [SettingKey] = [
    SettingKey(
      "checkpoint.every", \.checkpointEvery, .integer(0...SizeLimit.steps), unit: "steps",
      "Steps between checkpoints; 0 writes none."),
    SettingKey(
      "checkpoint.keep", \.checkpointKeep, .integer(1...SizeLimit.steps), unit: "checkpoints",
      "Checkpoints that are kept; older ones are deleted."),
  ]

  private static let outputKeys: [SettingKey] = [
    SettingKey(
      "run.directory", \.runDirectory, .orWord("default", .text("a directory")),
      "Where the run writes; default is runs/<date>-<time>/.")
  ]
}
