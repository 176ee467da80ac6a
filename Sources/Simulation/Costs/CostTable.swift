// Sums over the kernels of all operations, for one number of tokens and of SMs.

internal import Fabric
internal import Units
internal import Workload

/// Costs by operation and pass; those of routed experts as a function of their rows. A class, so
/// that finding the right table copies no arrays.
final class CostTable: Sendable {
  let tokens: Int
  let sms: Int
  /// By kind and pass, compute kinds only.
  private let costs: [ComputeCost]
  /// By pass.
  private let routed: [RoutedExpertCost]

  private static let kinds = OperationKind.allCases.filter { $0.stream == .compute }
  private static let passes = Pass.allCases

  init(_ inventory: KernelInventory, tokens: Int, on cost: KernelCost) {
    self.tokens = tokens
    sms = cost.sms
    costs = Self.kinds.flatMap { kind in
      Self.passes.map { pass in
        ComputeCost(inventory.kernels(kind, pass, tokens: tokens), on: cost)
      }
    }
    routed = Self.passes.map { pass in
      RoutedExpertCost(inventory.routed, on: cost) { inventory.routedExperts(pass, $0) }
    }
  }

  func cost(_ kind: OperationKind, _ pass: Pass, expertRows: Int) -> ComputeCost {
    if kind == .routedExperts { return routed[Int(pass.rawValue)].cost(pairs: expertRows) }
    precondition(
      kind.stream == .compute && kind != .optimizer,
      "\(kind) is no compute of a micro-batch")
    return costs[Int(kind.rawValue) * Self.passes.count + Int(pass.rawValue)]
  }
}
