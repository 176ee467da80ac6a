// Carries the model's tokens through the expert exchange of the rank's group.

package import Kernels
package import MessagePassing
package import Model
package import ModelSpec
internal import NumberFormats
internal import RunFiles

/// `ExpertTransport` over MPI. In the backward combine's gradient goes out as a dispatch does, and
/// dispatch's comes back as a combine does: so a rank says what it waits for.
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
    let rows: KeptMatrix?
    let keepAlive: [Tensor]

    init(
      _ inner: ExchangeInFlight, routing: Routing? = nil, rows: KeptMatrix? = nil,
      keepAlive: [Tensor] = []
    ) {
      self.inner = inner
      self.routing = routing
      self.rows = rows
      self.keepAlive = keepAlive
    }
  }

  /// Formats of rows for the exchange of a run: out as the model's messages are, back as the
  /// residual stream is.
  package static func formats(_ precision: Precision) -> (outward: RowFormat, inward: RowFormat) {
    switch precision {
    case .fp32: (.fp32, .fp32)
    case .bf16: (.bf16, .bf16)
    case .fp8: (.fp8, .bf16)
    }
  }

  /// Room for `rows` rows in the format that goes out.
  private func room(_ rows: Int) -> KeptMatrix {
    let hidden = exchange.hidden
    func codes(_ code: StorageCode) -> KeptMatrix {
      .codes(StoredMatrix(rows, hidden, code, for: .activations))
    }
    return switch exchange.outward {
    case .fp32: .numbers(TensorView(Tensor(rows, hidden, for: .activations)))
    case .bf16: codes(.bf16)
    case .fp8: codes(.e4m3(.row, .powerOfTwo))
    }
  }

  private func memory(_ rows: KeptMatrix) -> MutableTokenRows {
    switch rows {
    case .numbers(let view): MutableTokenRows(view.matrix.base)
    case .codes(let stored):
      MutableTokenRows(
        codes: UnsafeMutableRawPointer(stored.codes),
        scales: stored.code == .bf16 ? nil : stored.scales)
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

  package func startDispatch(_ tokens: KeptMatrix, _ routing: Routing) throws -> ExpertTransfer {
    try clock.during(.exchange) {
      let inner = try exchange.startDispatch(
        rows: TokenRows(memory(tokens)), tokens: tokens.rows, maxTokensAnyRank: maxTokens,
        experts: routing.expertPointer, gates: routing.gates.base)
      return ExpertTransfer(state: Flight(inner, routing: routing, rows: tokens))
    }
  }

  package func finishDispatch(_ transfer: ExpertTransfer) throws -> DispatchedTokens {
    try clock.waiting(for: .dispatch, .exchange) {
      let flight = flight(transfer)
      var placed: KeptMatrix?
      let received = try exchange.finishDispatch(flight.inner) { rows in
        let place = self.room(rows)
        placed = place
        return self.memory(place)
      }
      guard let rows = placed else { preconditionFailure("the exchange asks where rows go") }
      let slots = received.count * exchange.expertsPerToken
      return DispatchedTokens(
        rows: rows,
        experts: Array(UnsafeBufferPointer(start: received.expertIDs, count: slots)),
        gates: Array(UnsafeBufferPointer(start: received.gates, count: slots)),
        sources: received.plan.sourceStarts, plan: received.plan)
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
    try clock.waiting(for: .combine, .exchange) {
      let flight = flight(transfer)
      let sums = Tensor(flight.inner.plan.tokens, exchange.hidden)
      try exchange.finishCombine(flight.inner, into: sums.base)
      return sums
    }
  }

  package func startCombineGradient(_ gradient: KeptMatrix, _ tokens: DispatchedTokens) throws
    -> ExpertTransfer
  {
    try clock.during(.exchange) {
      let inner = try exchange.startScatter(plan(tokens), rows: TokenRows(memory(gradient)))
      return ExpertTransfer(state: Flight(inner, rows: gradient))
    }
  }

  package func finishCombineGradient(_ transfer: ExpertTransfer) throws -> KeptMatrix {
    try clock.waiting(for: .dispatch, .exchange) {
      let flight = flight(transfer)
      let rows = room(flight.inner.plan.rowCount)
      try exchange.finishScatter(flight.inner, into: memory(rows))
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
    try clock.waiting(for: .combine, .exchange) {
      let flight = flight(transfer)
      let tokens = flight.inner.plan.tokens
      let rows = Tensor(tokens, exchange.hidden)
      let gates = Tensor(tokens, exchange.expertsPerToken)
      try exchange.finishGather(flight.inner, into: rows.base, gateGradients: gates.base)
      return (rows, gates)
    }
  }
}
