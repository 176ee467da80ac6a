// The kernels of the routed experts of one rank: rows arrive once for each token that has an expert
// here, are laid out by expert with padding to tiles, and go through grouped products (report
// sections 2.1.2, 3.3). Everything grows with the rows, which differ from rank to rank.

internal import Fabric
internal import ModelSpec
internal import Units

/// Rows of the experts of one rank.
struct ExpertRows: Hashable, Sendable {
  /// (token, expert) pairs.
  var pairs: Int
  /// Rows with the padding of each expert to tiles.
  var padded: Int
  /// (token, rank) pairs: rows as they come over the network.
  var received: Double

  /// Rows as listed by expert: padded exactly.
  init(byExpert rows: [Int], sizes: RoutedExpertSizes) {
    pairs = rows.reduce(0, +)
    padded = rows.reduce(0) { $0 + KernelWork.tileCount($1) * KernelWork.tile }
    received = Double(pairs) * sizes.receivedPerPair
  }

  /// Rows of all experts together, spread evenly but for chance: an expert with rows pads half a
  /// tile on average, and has one at least. (Exactly even rows would need no padding; the trace of
  /// a step that was balanced on purpose has what chance gives.)
  init(pairs: Int, sizes: RoutedExpertSizes) {
    self.pairs = pairs
    padded = sizes.paddedRows(pairs: pairs)
    received = Double(pairs) * sizes.receivedPerPair
  }

  init(pairs: Int, padded: Int, received: Double) {
    self.pairs = pairs
    self.padded = padded
    self.received = received
  }
}

/// What the kernels of the routed experts depend on besides rows.
struct RoutedExpertSizes: Sendable {
  let hidden: Int
  let width: Int
  /// Experts of one rank.
  let experts: Int
  /// Rows received for each (token, expert) pair: below one, as a token with two experts on this
  /// rank comes once.
  let receivedPerPair: Double
  let precision: ProductPrecision

  init(_ model: ModelSpec, expertParallel: Int, precision: ProductPrecision) {
    hidden = model.hiddenSize
    width = model.expertIntermediateSize
    experts = max(1, model.routedExperts / expertParallel)
    receivedPerPair = Self.receivedPerPair(model, local: experts)
    self.precision = precision
  }

  /// Distinct ranks of a token over its experts, when it takes its K experts without preference
  /// from those of the groups it may use: pool/local × (1 − C(pool − local, K) / C(pool, K)) / K.
  /// For 256 experts, 4 of 8 groups and 4 experts a rank 7.36 of 8; sampled routing with the
  /// choice of groups by affinity has 7.48.
  private static func receivedPerPair(_ model: ModelSpec, local: Int) -> Double {
    let perToken = model.expertsPerToken
    guard model.routedExperts > 0, perToken > 0 else { return 1 }
    let groups = max(1, model.expertGroups)
    let pool = max(local, model.routedExperts / groups * min(groups, model.groupsPerToken))
    var missed = 1.0
    for index in 0..<perToken {
      missed *= Double(max(0, pool - local - index)) / Double(max(1, pool - index))
    }
    return Double(pool) / Double(local) * (1 - missed) / Double(perToken)
  }

  /// Rows padded to tiles: half a tile an expert, at least one for each that has a row.
  func paddedRows(pairs: Int) -> Int {
    guard pairs > 0 else { return 0 }
    let tile = KernelWork.tile
    return max(min(experts, pairs) * tile, pairs + experts * tile / 2)
  }

  private var dispatchedRow: Int {
    ExchangeCost.dispatchRow(hidden: hidden, precision: precision).bytes
  }

  func forward(_ rows: ExpertRows) -> [LayerKernel] {
    var list = KernelList(precision)
    let share = Double(rows.padded) / TraceShape.expertRows
    list.scaleTransposes(2, microseconds: 34.5, share: share)
    list.small("count rows of experts", launches: 1, microseconds: 67.5, share: share)
    list.small("map rows to experts", launches: 1, microseconds: 167.5, share: share)
    list.small("various", launches: 1, microseconds: 3, share: share)
    list.memory("permute rows to experts", .stream, moved(rows, dispatchedRow))
    list.weightTranspose("transpose gates and ups", experts * 2 * width * hidden)
    product(&list, "gates and ups", rows, columns: 2 * width, depth: hidden)
    list.swiGLU("SwiGLU", rows: rows.padded, width: width)
    list.weightTranspose("transpose downs", experts * width * hidden)
    product(&list, "downs", rows, columns: hidden, depth: width)
    list.memory("add rows back to tokens", .stream, moved(rows, 2 * hidden))
    list.cast("keep SwiGLU's input in FP8", rows.padded * 2 * width)
    return list.kernels
  }

  func input(_ rows: ExpertRows) -> [LayerKernel] {
    var list = KernelList(precision)
    let share = Double(rows.padded) / TraceShape.expertRows
    list.scaleTransposes(2, microseconds: 35, share: share)
    list.small("various", launches: 1, microseconds: 3.5, share: share)
    list.castBack("SwiGLU's input from FP8", rows.padded * 2 * width)
    list.memory("permute gradients to experts", .stream, moved(rows, dispatchedRow))
    product(&list, "downs input gradient", rows, columns: width, depth: hidden)
    // Reads gate, up and the gradient of their SwiGLU, writes the SwiGLU and the gradients of both.
    list.memory("SwiGLU again and backward", .quantise, 12 * rows.padded * width)
    list.memory("gradient of the gates", .quantise, 4 * rows.padded * width)
    list.castTranspose("columns of SwiGLU", rows.padded * width)
    list.cast("cast SwiGLU's gradient", rows.padded * 2 * width)
    product(&list, "gates and ups input gradient", rows, columns: hidden, depth: 2 * width)
    list.memory("add gradients back to tokens", .stream, moved(rows, 2 * hidden))
    list.castTranspose("columns of SwiGLU's gradient", rows.padded * 2 * width)
    return list.kernels
  }

  func weight(_ rows: ExpertRows) -> [LayerKernel] {
    var list = KernelList(precision)
    list.requantise("columns of the output gradient", rows.padded * hidden)
    weightGradient(&list, "downs weight gradient", rows, hidden, width)
    list.requantise("columns of x", rows.padded * hidden)
    weightGradient(&list, "gates and ups weight gradient", rows, 2 * width, hidden)
    return list.kernels
  }

  /// Bytes of rows read as received and written by expert, or the reverse.
  private func moved(_ rows: ExpertRows, _ bytesPerRow: Int) -> Int {
    Int((rows.received * Double(bytesPerRow)).rounded()) + rows.padded * bytesPerRow
  }

  private func product(
    _ list: inout KernelList, _ name: String, _ rows: ExpertRows, columns: Int, depth: Int
  ) {
    let tiles = KernelWork.tiles(rows: rows.padded, columns: columns)
    list.kernels.append(
      LayerKernel(
        name, .product(tiles: tiles, depth: depth, precision: precision),
        flops: 2 * rows.pairs * columns * depth))
  }

  /// A product for each expert, two at a time on two streams: they share the SMs, so the tiles of
  /// all count together, and every second one has its launch hidden.
  private func weightGradient(
    _ list: inout KernelList, _ name: String, _ rows: ExpertRows, _ first: Int, _ second: Int
  ) {
    let tiles = experts * KernelWork.tiles(rows: first, columns: second)
    list.kernels.append(
      LayerKernel(
        name,
        .weightGradient(tiles: tiles, depth: rows.padded / experts, precision: precision),
        flops: 2 * rows.pairs * first * second, launches: (experts + 1) / 2))
  }
}
