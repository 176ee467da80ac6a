// The time of routed experts for any number of rows without going through their kernels again:
// bytes grow linearly with pairs and padded rows, grouped products by whole waves of tiles.

internal import Fabric
internal import Units

/// One pass of the routed experts on given SMs, ready to be asked for many numbers of rows.
struct RoutedExpertCost: Sendable {
  /// Picoseconds: constant, for each (token, expert) pair, and for each padded row.
  private struct Line: Sendable {
    var fixed = 0.0
    var perPair = 0.0
    var perPadded = 0.0

    func value(pairs: Int, padded: Int) -> Double {
      fixed + perPair * Double(pairs) + perPadded * Double(padded)
    }
  }

  /// A grouped product: its rows decide the tiles, its columns and depth the rest.
  private struct Grouped: Sendable {
    var columnTiles: Int
    /// Of one wave, in picoseconds.
    var waveAlone: Double
    var waveBeside: Double
  }

  private let sizes: RoutedExpertSizes
  private let alone: Line
  private let beside: Line
  private let products: [Grouped]
  private let sms: Int
  private let smsBesideTransfer: Int
  private let kernels: Int

  /// - Parameter list: the pass's kernels for given rows.
  init(
    _ sizes: RoutedExpertSizes, on cost: KernelCost, list: (ExpertRows) -> [LayerKernel]
  ) {
    self.sizes = sizes
    sms = cost.sms
    smsBesideTransfer = cost.smsBesideTransfer
    let many = KernelWork.tile * sizes.experts * 4096
    func sum(pairs: Int, padded: Int) -> ComputeCost {
      let rows = ExpertRows(
        pairs: pairs, padded: padded, received: Double(pairs) * sizes.receivedPerPair)
      // Products without tiles: their launch and the gap before it.
      return ComputeCost(list(rows).map(\.withoutTiles), on: cost)
    }
    let none = sum(pairs: 0, padded: 0)
    let pairs = sum(pairs: many, padded: 0)
    let padded = sum(pairs: 0, padded: many)
    func line(_ time: (ComputeCost) -> VirtualDuration) -> Line {
      func slope(_ sum: ComputeCost) -> Double {
        Double((time(sum) - time(none)).picoseconds) / Double(many)
      }
      return Line(
        fixed: Double(time(none).picoseconds), perPair: slope(pairs), perPadded: slope(padded))
    }
    alone = line(\.alone)
    beside = line(\.besideTransfer)
    kernels = none.kernels
    let tile = ExpertRows(pairs: 0, padded: KernelWork.tile, received: 0)
    products = list(tile).compactMap { kernel in
      guard case .product(let tiles, let depth, let precision) = kernel.work else { return nil }
      let tileCost = cost.gpu.kernels.gemmFP8
      let besideWave = cost.wave(
        tileCost, depth: depth, precision, sms: cost.smsBesideTransfer)
      return Grouped(
        columnTiles: tiles,
        waveAlone: cost.wave(tileCost, depth: depth, precision, sms: cost.sms),
        waveBeside: besideWave * cost.gpu.kernels.gemmOverlapFactor)
    }
  }

  /// The cost of `pairs` rows, spread evenly but for chance. No allocation.
  func cost(pairs: Int) -> ComputeCost {
    let padded = sizes.paddedRows(pairs: pairs)
    var timeAlone = alone.value(pairs: pairs, padded: padded)
    var timeBeside = beside.value(pairs: pairs, padded: padded)
    let rowTiles = KernelWork.tileCount(padded)
    for product in products {
      let tiles = rowTiles * product.columnTiles
      timeAlone += Double((tiles + sms - 1) / sms) * product.waveAlone
      timeBeside +=
        Double((tiles + smsBesideTransfer - 1) / smsBesideTransfer) * product.waveBeside
    }
    return ComputeCost(
      alone: VirtualDuration(picoseconds: Int64(timeAlone.rounded(.toNearestOrEven))),
      besideTransfer: VirtualDuration(
        picoseconds: Int64(timeBeside.rounded(.toNearestOrEven))),
      kernels: kernels)
  }
}

extension LayerKernel {
  /// The same kernel with nothing to multiply, if it is a product of rows.
  fileprivate var withoutTiles: LayerKernel {
    guard case .product(_, let depth, let precision) = work else { return self }
    var kernel = self
    kernel.work = .product(tiles: 0, depth: depth, precision: precision)
    return kernel
  }
}
