// Bytes of the trainer's tensors. It computes in FP32 and keeps codes: so a working tensor takes
// four bytes for each number in every precision, and what is kept takes what its format takes.

internal import ModelSpec

/// The tensors of a micro-batch of one module: the main model's, or an MTP module's shorter one.
struct TrainedSizes: Sendable {
  let spec: ModelSpec
  let numerics: Numerics
  /// Positions of the micro-batch, and of one sequence of it.
  let tokens: Int
  let length: Int
  let rows: TrainedRows
  /// Whether all experts are on the rank.
  let isAlone: Bool

  var isLow: Bool { numerics.precision != .fp32 }
  var isFP8: Bool { numerics.precision == .fp8 }
  func saves(_ saving: MemorySaving) -> Bool { numerics.savings.contains(saving) }

  // MARK: Columns

  var hidden: Int { spec.hiddenSize }
  var queries: Int { spec.heads * spec.queryHeadDim }
  var values: Int { spec.heads * spec.valueHeadDim }
  var keyValues: Int { spec.heads * (spec.nopeHeadDim + spec.valueHeadDim) }
  /// Latents and rotary key.
  var down: Int {
    (spec.queryCompression ?? queries) + spec.keyValueCompression + spec.ropeHeadDim
  }
  var sharedWidth: Int { spec.sharedExperts * spec.expertIntermediateSize }

  // MARK: Bytes of [tokens, columns], or of as many rows

  /// A working tensor.
  func work(_ columns: Int, rows: Int? = nil) -> Int { (rows ?? tokens) * columns * 4 }

  /// What is kept as the residual stream is.
  func stream(_ columns: Int) -> Int { tokens * columns * (isLow ? 2 : 4) }

  /// Inputs of linear layers, as their forward takes them.
  func operand(_ columns: Int) -> Int {
    isFP8 ? codes(tokens, columns, tiles: tokens * tiles(columns)) : stream(columns)
  }

  /// Inputs that are kept for the weight gradient alone: tiles run over tokens.
  func weightOperand(_ columns: Int, rows: Int? = nil) -> Int {
    kept(rows ?? tokens, columns) { tiles($0) * columns }
  }

  /// Gradients of outputs, for the weight gradient.
  func gradient(_ columns: Int, rows: Int? = nil) -> Int {
    kept(rows ?? tokens, columns) {
      tiles($0) * (numerics.gradientTiles == .blocks ? tiles(columns) : columns)
    }
  }

  /// Gradients of outputs as the input gradient takes them: codes that live for a product.
  func passingGradient(_ columns: Int) -> Int {
    guard isFP8 else { return 0 }
    let rows = numerics.gradientTiles == .blocks ? tiles(tokens) : tokens
    return codes(tokens, columns, tiles: rows * tiles(columns))
  }

  /// Rows on their way to experts.
  func message(rows: Int) -> Int {
    guard isFP8 else { return rows * hidden * (isLow ? 2 : 4) }
    return Self.bytes(rows * hidden, scales: rows * tiles(hidden))
  }

  func attentionOutput() -> Int {
    guard saves(.e5m6AttentionOutput) else { return stream(values) }
    return Self.bytes(tokens * ((values * 12 + 7) / 8), scales: tokens * tiles(values))
  }

  /// Inputs of SwiGLU [rows, columns].
  func swiGLUInput(_ columns: Int, rows: Int) -> Int {
    guard isLow else { return work(columns, rows: rows) }
    guard saves(.fp8SwiGLUInputs) else { return rows * columns * 2 }
    return Self.bytes(rows * columns, scales: rows * tiles(columns))
  }

  /// Outputs of the experts' SwiGLU, as kept by runs of rows.
  func expertOutput(rows: Int) -> Int {
    let width = spec.expertIntermediateSize
    guard isFP8, numerics.scaling == .tiles else { return rows * width * (isLow ? 2 : 4) }
    return Self.bytes(rows * width, scales: rows * tiles(width))
  }

  private func kept(_ rows: Int, _ columns: Int, tiles: (Int) -> Int) -> Int {
    isFP8 ? codes(rows, columns, tiles: tiles(rows)) : rows * columns * (isLow ? 2 : 4)
  }

  private func codes(_ rows: Int, _ columns: Int, tiles: Int) -> Int {
    Self.bytes(rows * columns, scales: numerics.scaling == .tiles ? tiles : 1)
  }

  private func tiles(_ count: Int) -> Int {
    (count + StorageFormat.tile - 1) / StorageFormat.tile
  }

  /// FP32 scales stand behind the codes, on a multiple of four bytes.
  static func bytes(_ codes: Int, scales: Int) -> Int {
    (codes + 3) / 4 * 4 + scales * StorageFormat.scaleBytes
  }

  // MARK: Working space of the attention core

  /// Blocks of rows that the core goes by (AttentionShape.blockRows).
  private var block: Int { min(32, length) }

  /// Scores of a block and a head's keys.
  var forwardCore: Int { 4 * (block * length + spec.queryHeadDim * length) }

  /// Scores, their gradients, a head's keys, their gradients, its values, and a sum for each row.
  var backwardCore: Int {
    4 * (2 * block * length + (2 * spec.queryHeadDim + spec.valueHeadDim + 1) * length)
  }
}

/// Rows of a layer with experts on one rank, when all ranks of its group are routed alike.
struct TrainedRows: Hashable, Sendable {
  /// Rows that arrive.
  var received = 0
  /// Ranks that send them, each as many.
  var sources = 1
  /// (token, expert) pairs of each of the rank's experts.
  var byExpert: [Int] = []

  var pairs: Int { byExpert.reduce(0, +) }
  var largest: Int { byExpert.max() ?? 0 }

  /// What `BalancedRouting` of `tokens` tokens on each rank of a group brings to its fullest rank.
  init(_ spec: ModelSpec, _ layout: Layout, tokens: Int) {
    guard spec.routedExperts > 0 else { return }
    let routing = BalancedRouting(spec)
    let local = spec.routedExperts / layout.expert
    var chosen = [Int32](repeating: 0, count: spec.expertsPerToken)
    var experts = [Int](repeating: 0, count: spec.routedExperts)
    var ranks = [Int](repeating: 0, count: layout.expert)
    for token in 0..<tokens {
      chosen.withUnsafeMutableBufferPointer { routing.choose(token: token, into: $0) }
      for expert in chosen { experts[Int(expert)] += layout.expert }
      for rank in Set(chosen.map { Int($0) / local }) { ranks[rank] += layout.expert }
    }
    let fullest = ranks.indices.max { ranks[$0] < ranks[$1] } ?? 0
    received = ranks[fullest]
    sources = layout.expert
    byExpert = Array(experts[fullest * local..<(fullest + 1) * local])
  }
}
