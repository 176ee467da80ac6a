// Carries the model's tokens through the expert exchange of the rank's group.

package import Kernels
package import MessagePassing
package import Model

/// `ExpertTransport` over MPI.
package final class GroupTransport: ExpertTransport {
  private let exchange: ExpertExchange
  private let clock: ActivityClock
  /// Most tokens that any rank of the group sends at once.
  private let maxTokens: Int

  package init(_ exchange: ExpertExchange, maxTokens: Int, clock: ActivityClock) {
    self.exchange = exchange
    self.maxTokens = maxTokens
    self.clock = clock
  }

  package var localExperts: Range<Int> { exchange.localExperts }
  package var traffic: ExchangeTraffic { exchange.traffic }

  /// What a transfer holds on to until it is finished.
  private final class Flight {
    let inner: ExchangeInFlight
    let routing: Routing?
    let keepAlive: [Tensor]

    init(_ inner: ExchangeInFlight, routing: Routing? = nil, keepAlive: [Tensor]) {
      self.inner = inner
      self.routing = routing
      self.keepAlive = keepAlive
    }
  }

  private func flight(_ transfer: ExpertTransfer) -> Flight {
    guard let flight = transfer.state as? Flight else {
      preconditionFailure("a transfer is finished by the transport that started it")
    }
    return flight
  }

  private func plan(_ tokens: DispatchedTokens) -> ExchangePlan {
    guard let plan = tokens.plan as? ExchangePlan else {
      preconditionFailure("tokens go back the way they came")
    }
    return plan
  }

  package func startDispatch(_ tokens: Tensor, _ routing: Routing) throws -> ExpertTransfer {
    try clock.during(.exchange) {
      let inner = try exchange.startDispatch(
        rows: tokens.base, tokens: tokens.rows, maxTokensAnyRank: maxTokens,
        experts: routing.expertPointer, gates: routing.gates.base)
      return ExpertTransfer(state: Flight(inner, routing: routing, keepAlive: [tokens]))
    }
  }

  package func finishDispatch(_ transfer: ExpertTransfer) throws -> DispatchedTokens {
    try clock.during(.exchange) {
      let flight = flight(transfer)
      var placed: Tensor?
      let hidden = exchange.hidden
      let received = try exchange.finishDispatch(flight.inner) { rows in
        let tensor = Tensor(rows, hidden)
        placed = tensor
        return tensor.base
      }
      guard let rows = placed else { preconditionFailure("the exchange asks where rows go") }
      let slots = received.count * exchange.expertsPerToken
      return DispatchedTokens(
        rows: rows,
        experts: Array(UnsafeBufferPointer(start: received.expertIDs, count: slots)),
        gates: Array(UnsafeBufferPointer(start: received.gates, count: slots)),
        plan: received.plan)
    }
  }

  package func startCombine(_ outputs: Tensor, _ tokens: DispatchedTokens) throws
    -> ExpertTransfer
  {
    try clock.during(.exchange) {
      let inner = try exchange.startCombine(plan(tokens), rows: outputs.base)
      return ExpertTransfer(state: Flight(inner, keepAlive: [outputs]))
    }
  }

  package func finishCombine(_ transfer: ExpertTransfer) throws -> Tensor {
    try clock.during(.exchange) {
      let flight = flight(transfer)
      let sums = Tensor(flight.inner.plan.tokens, exchange.hidden)
      try exchange.finishCombine(flight.inner, into: sums.base)
      return sums
    }
  }

  package func startCombineGradient(_ gradient: Tensor, _ tokens: DispatchedTokens) throws
    -> ExpertTransfer
  {
    try clock.during(.exchange) {
      let inner = try exchange.startScatter(plan(tokens), rows: gradient.base)
      return ExpertTransfer(state: Flight(inner, keepAlive: [gradient]))
    }
  }

  package func finishCombineGradient(_ transfer: ExpertTransfer) throws -> Tensor {
    try clock.during(.exchange) {
      let flight = flight(transfer)
      let rows = Tensor(flight.inner.plan.rowCount, exchange.hidden)
      try exchange.finishScatter(flight.inner, into: rows.base)
      return rows
    }
  }

  package func startDispatchGradient(
    _ gradient: Tensor, gates: Tensor, _ tokens: DispatchedTokens
  ) throws -> ExpertTransfer {
    try clock.during(.exchange) {
      let inner = try exchange.startGather(
        plan(tokens), rows: gradient.base, gateGradients: gates.base)
      return ExpertTransfer(state: Flight(inner, keepAlive: [gradient, gates]))
    }
  }

  package func finishDispatchGradient(_ transfer: ExpertTransfer) throws
    -> (rows: Tensor, gates: Tensor)
  {
    try clock.during(.exchange) {
      let flight = flight(transfer)
      let tokens = flight.inner.plan.tokens
      let rows = Tensor(tokens, exchange.hidden)
      let gates = Tensor(tokens, exchange.expertsPerToken)
      try exchange.finishGather(flight.inner, into: rows.base, gateGradients: gates.base)
      return (rows, gates)
    }
  }
}
