// The exchanges that go out, for an exchange that sends rows as FP32.

extension ExpertExchange {
  /// `startDispatch` of FP32 rows.
  package func startDispatch(
    rows: UnsafePointer<Float>, tokens: Int, maxTokensAnyRank: Int,
    experts: UnsafePointer<Int32>, gates: UnsafePointer<Float>
  ) throws(MPIError) -> ExchangeInFlight {
    requireFloats()
    return try startDispatch(
      rows: TokenRows(rows), tokens: tokens, maxTokensAnyRank: maxTokensAnyRank, experts: experts,
      gates: gates)
  }

  /// `finishDispatch` of FP32 rows.
  package func finishDispatch(
    _ flight: ExchangeInFlight, into place: ((Int) -> UnsafeMutablePointer<Float>)?
  ) throws(MPIError) -> ReceivedTokens {
    requireFloats()
    guard let place else { return try finishDispatch(flight) }
    return try finishDispatch(flight) { rows in MutableTokenRows(place(rows)) }
  }

  /// `startScatter` of FP32 rows.
  package func startScatter(
    _ plan: ExchangePlan, rows: UnsafePointer<Float>
  ) throws(MPIError) -> ExchangeInFlight {
    requireFloats()
    return try startScatter(plan, rows: TokenRows(rows))
  }

  /// `finishScatter` of FP32 rows.
  package func finishScatter(
    _ flight: ExchangeInFlight, into rows: UnsafeMutablePointer<Float>
  ) throws(MPIError) {
    requireFloats()
    try finishScatter(flight, into: MutableTokenRows(rows))
  }

  private func requireFloats() {
    precondition(outward == .fp32, "this exchange sends rows as \(outward)")
  }
}
