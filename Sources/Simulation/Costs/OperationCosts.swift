// What each compute operation of a step takes on a cluster's GPU: kernels of its layer, priced one
// by one and added up. Asked millions of times in a simulation, so all sums are made beforehand.

package import Fabric
package import ModelSpec
package import Workload

/// Prices compute operations of one model in one layout on one cluster.
package struct OperationCosts: Sendable {
  private let inventory: KernelInventory
  private let gpu: GPUSpec
  private let exchangeSMs: Int
  /// Sums for the numbers of tokens and SMs that are expected, in order of use.
  private let tables: [CostTable]

  /// - Parameters:
  ///   - expertParallel: ranks that share the routed experts of a layer.
  ///   - sequenceLength: positions of a sequence, which attention's FLOPs depend on.
  ///   - tokens: of one micro-batch; one sequence unless said otherwise.
  package init(
    cluster: ClusterSpec, model: ModelSpec, expertParallel: Int, sequenceLength: Int,
    tokens: Int? = nil, precision: ProductPrecision
  ) {
    precondition(sequenceLength > 0, "a sequence has at least one position")
    precondition(expertParallel > 0, "an expert group has at least one rank")
    let inventory = KernelInventory(
      model: model, expertParallel: expertParallel, sequenceLength: sequenceLength,
      precision: precision)
    self.inventory = inventory
    gpu = cluster.gpu
    exchangeSMs = cluster.exchange.sms
    let sms = Set([cluster.gpu.sms, cluster.gpu.sms - cluster.exchange.sms]).sorted()
    tables = sms.map { sms in
      CostTable(
        inventory, tokens: tokens ?? sequenceLength,
        on: KernelCost(gpu: cluster.gpu, sms: sms, exchangeSMs: cluster.exchange.sms))
    }
  }

  /// The cost of one operation of the compute stream. A pass that launches nothing (the router's
  /// weights, whose gradient falls to the input pass) is zero.
  ///
  /// - Parameters:
  ///   - layer: where it stands; routed and shared experts and routers only in layers that have
  ///     experts.
  ///   - tokens: of the micro-batch.
  ///   - expertRows: (token, expert) pairs of all experts of the rank, for `routedExperts`.
  ///   - sms: SMs that its persistent kernels launch on: all, or what an overlapped pair leaves.
  package func compute(
    _ kind: OperationKind, _ pass: Pass, layer: Int, tokens: Int, expertRows: Int, sms: Int
  ) -> ComputeCost {
    precondition(
      !kind.needsExperts || inventory.model.hasExperts(layer: layer),
      "layer \(layer) has no experts")
    for table in tables where table.tokens == tokens && table.sms == sms {
      return table.cost(kind, pass, expertRows: expertRows)
    }
    return CostTable(inventory, tokens: tokens, on: kernelCost(sms: sms))
      .cost(kind, pass, expertRows: expertRows)
  }

  /// Routed experts whose rows are known expert by expert, padded as each of them needs. Slower.
  package func routedExperts(_ pass: Pass, rowsByExpert: [Int], sms: Int) -> ComputeCost {
    let rows = ExpertRows(byExpert: rowsByExpert, sizes: inventory.routed)
    return ComputeCost(inventory.routedExperts(pass, rows), on: kernelCost(sms: sms))
  }

  /// AdamW for so many parameters of the rank's shard.
  package func optimizer(parameters: Int) -> ComputeCost {
    ComputeCost(EndKernels.optimizer(parameters: parameters), on: kernelCost(sms: gpu.sms))
  }

  /// What the exchange stream does in front of a transfer and its notification: a forward's
  /// dispatch works out its layout, the backward of a combine casts its gradient to FP8. Beside
  /// compute they have only the SMs of the exchange.
  package func exchangePreparation(
    _ kind: OperationKind, _ pass: Pass, tokens: Int
  ) -> ExchangeTime {
    let list = inventory.exchangePreparation(kind, pass, tokens: tokens)
    let full = KernelCost(gpu: gpu, sms: gpu.sms, exchangeSMs: 0)
    let alone = ComputeCost(list, on: full)
    guard exchangeSMs > 0 else {
      return ExchangeTime(alone: alone.alone, besideCompute: alone.besideTransfer)
    }
    let few = KernelCost(gpu: gpu, sms: exchangeSMs, exchangeSMs: gpu.sms - exchangeSMs)
    let beside = ComputeCost(list, on: few)
    return ExchangeTime(alone: alone.alone, besideCompute: beside.besideTransfer)
  }

  /// FLOPs that the kernels of an operation execute, recomputation included, causal attention
  /// counted as half of the score matrix.
  package func executedFLOPs(
    _ kind: OperationKind, _ pass: Pass, tokens: Int, expertRows: Int
  ) -> Int {
    kernels(kind, pass, tokens: tokens, expertRows: expertRows).reduce(0) { $0 + $1.flops }
  }

  /// The kernels of an operation, in order.
  package func kernels(
    _ kind: OperationKind, _ pass: Pass, tokens: Int, expertRows: Int
  ) -> [LayerKernel] {
    kind == .routedExperts
      ? inventory.routedExperts(pass, ExpertRows(pairs: expertRows, sizes: inventory.routed))
      : inventory.kernels(kind, pass, tokens: tokens)
  }

  /// The time of one of its kernels.
  package func time(of kernel: LayerKernel, sms: Int) -> KernelTime {
    kernelCost(sms: sms).time(of: kernel.work)
  }

  private func kernelCost(sms: Int) -> KernelCost {
    KernelCost(gpu: gpu, sms: sms, exchangeSMs: exchangeSMs)
  }
}

extension OperationKind {
  fileprivate var needsExperts: Bool {
    self == .router || self == .sharedExperts || self == .routedExperts
  }
}
