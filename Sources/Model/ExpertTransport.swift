// How tokens reach their experts. The model asks for four transfers, each started and finished
// apart so that compute can run in between; who carries them (one process, or MPI in two hops) is
// not the model's business.

package import Kernels

/// The tokens that this rank's experts work on, in a fixed order.
package final class DispatchedTokens {
  /// [received tokens, hidden], as they were sent.
  package let rows: KeptMatrix
  /// [received, expertsPerToken]: the local expert of each slot, or −1 where another rank has it.
  package let experts: [Int32]
  /// [received, expertsPerToken]
  package let gates: [Float]
  /// The first row of each rank that sent some, ascending.
  package let sources: [Int]
  /// What the transport needs to go the same way again.
  package let plan: AnyObject?
  private let counted: CountedBytes

  package init(
    rows: KeptMatrix, experts: [Int32], gates: [Float], sources: [Int] = [0], plan: AnyObject?
  ) {
    self.rows = rows
    self.experts = experts
    self.gates = gates
    self.sources = sources
    self.plan = plan
    counted = CountedBytes(4 * (experts.count + gates.count), for: .activations)
  }
}

/// One transfer in flight; finished by the transport that started it.
package final class ExpertTransfer {
  package let state: AnyObject?
  package let rows: KeptMatrix?
  package let tensor: Tensor?
  package let gates: Tensor?

  package init(
    state: AnyObject? = nil, rows: KeptMatrix? = nil, tensor: Tensor? = nil, gates: Tensor? = nil
  ) {
    self.state = state
    self.rows = rows
    self.tensor = tensor
    self.gates = gates
  }
}

/// Dispatch and combine, forward and backward. All ranks of an expert group start the same
/// transfers in the same order.
package protocol ExpertTransport: AnyObject {
  /// Experts that live on this rank.
  var localExperts: Range<Int> { get }

  /// Token rows [tokens, hidden] to the ranks of their experts.
  func startDispatch(_ tokens: KeptMatrix, _ routing: Routing) throws -> ExpertTransfer
  func finishDispatch(_ transfer: ExpertTransfer) throws -> DispatchedTokens

  /// One output row for each received token back to its source, summed there: [tokens, hidden].
  func startCombine(_ outputs: Tensor, _ tokens: DispatchedTokens) throws -> ExpertTransfer
  func finishCombine(_ transfer: ExpertTransfer) throws -> Tensor

  /// Combine's backward: output gradients [tokens, hidden] to the experts, along the known way.
  func startCombineGradient(_ gradient: KeptMatrix, _ tokens: DispatchedTokens) throws
    -> ExpertTransfer
  func finishCombineGradient(_ transfer: ExpertTransfer) throws -> KeptMatrix

  /// Dispatch's backward: input gradients [received, hidden] and gate gradients
  /// [received, expertsPerToken] to the sources, rows summed, gates put in their slots.
  func startDispatchGradient(_ gradient: Tensor, gates: Tensor, _ tokens: DispatchedTokens) throws
    -> ExpertTransfer
  func finishDispatchGradient(_ transfer: ExpertTransfer) throws -> (rows: Tensor, gates: Tensor)
}

/// All experts in one process: nothing moves.
package final class LocalTransport: ExpertTransport {
  package let localExperts: Range<Int>

  package init(experts: Int) { localExperts = 0..<experts }

  package func startDispatch(_ tokens: KeptMatrix, _ routing: Routing) -> ExpertTransfer {
    ExpertTransfer(state: routing, rows: tokens)
  }

  package func finishDispatch(_ transfer: ExpertTransfer) -> DispatchedTokens {
    guard let rows = transfer.rows, let routing = transfer.state as? Routing else {
      preconditionFailure("a dispatch is finished with the transfer that started it")
    }
    return DispatchedTokens(
      rows: rows, experts: Array(routing.experts), gates: routing.gates.array, plan: nil)
  }

  package func startCombine(_ outputs: Tensor, _ tokens: DispatchedTokens) -> ExpertTransfer {
    ExpertTransfer(tensor: outputs)
  }

  package func finishCombine(_ transfer: ExpertTransfer) -> Tensor { arrived(transfer) }

  package func startCombineGradient(_ gradient: KeptMatrix, _ tokens: DispatchedTokens)
    -> ExpertTransfer
  {
    ExpertTransfer(rows: gradient)
  }

  package func finishCombineGradient(_ transfer: ExpertTransfer) -> KeptMatrix {
    guard let rows = transfer.rows else {
      preconditionFailure("a local transfer carries its rows")
    }
    return rows
  }

  package func startDispatchGradient(
    _ gradient: Tensor, gates: Tensor, _ tokens: DispatchedTokens
  ) -> ExpertTransfer {
    ExpertTransfer(tensor: gradient, gates: gates)
  }

  package func finishDispatchGradient(_ transfer: ExpertTransfer) -> (rows: Tensor, gates: Tensor) {
    guard let gates = transfer.gates else {
      preconditionFailure("a dispatch gradient carries gate gradients")
    }
    return (arrived(transfer), gates)
  }

  private func arrived(_ transfer: ExpertTransfer) -> Tensor {
    guard let tensor = transfer.tensor else {
      preconditionFailure("a local transfer carries its tensor")
    }
    return tensor
  }
}
