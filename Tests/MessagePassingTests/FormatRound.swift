// One dispatch with its combine, scatter and gather, rows in a format, each compared with the
// reference bit for bit. (Large arrays are compared before #expect, which would describe them.)

import MessagePassing
import Testing

@MainActor struct FormatRound {
  let reference: ExchangeReference
  let exchange: ExpertExchange

  private var rank: Int { exchange.group.rank }
  private var tokens: Int { reference.tokens(rank) }

  /// Rows at fixed addresses.
  private struct Memory {
    let codes: Fixed<UInt8>
    let scales: Fixed<Float>
    let hasScales: Bool

    init(_ rows: FormatRows, _ format: RowFormat) {
      codes = Fixed(rows.codes)
      scales = Fixed(rows.scales.map { Float(bitPattern: $0) })
      hasScales = format == .fp8
    }

    /// Room for rows, filled with something else.
    init(_ count: Int, _ reference: ExchangeReference, _ format: RowFormat) {
      let scales = format == .fp8 ? count * reference.tiles : 0
      let codes = count * reference.rowBytes(format) - scales
      self.init(
        FormatRows(
          codes: [UInt8](repeating: 0xa5, count: codes),
          scales: [UInt32](repeating: 7 << 23, count: scales)), format)
    }

    var rows: MutableTokenRows {
      MutableTokenRows(codes: codes.pointer, scales: hasScales ? scales.pointer : nil)
    }

    var values: FormatRows {
      FormatRows(codes: codes.values, scales: scales.values.map(\.bitPattern))
    }
  }

  /// `placed`: into the test's memory, else into the exchange's.
  func dispatch(placed: Bool) throws -> ReceivedTokens {
    let format = exchange.outward
    let sent = Memory(reference.formatRows(rank, format, salt: 0), format)
    let experts = Fixed(reference.choices(rank))
    let gates = Fixed(reference.gates(rank))
    let flight = try exchange.startDispatch(
      rows: TokenRows(sent.rows), tokens: tokens, maxTokensAnyRank: reference.maxTokens,
      experts: experts.pointer, gates: gates.pointer)
    var asked: [Memory] = []
    let place: (Int) -> MutableTokenRows = { count in
      asked.append(Memory(count, reference, format))
      return asked[asked.count - 1].rows
    }
    let received = try exchange.finishDispatch(flight, into: placed ? place : nil)
    #expect(asked.count == (placed ? 1 : 0))
    let expected = reference.receivedRows(rank, format, salt: 0)
    #expect(received.count == reference.received(by: rank).count)
    let slots = reference.receivedSlots(rank)
    guard received.count * reference.slots == slots.experts.count else { return received }
    let same = read(received) == expected
    let sameExperts = slots.experts.indices.allSatisfy {
      received.expertIDs[$0] == slots.experts[$0]
    }
    let sameGates = slots.gates.indices.allSatisfy { received.gates[$0] == slots.gates[$0] }
    #expect(same && sameExperts && sameGates)
    let samePlaced = asked.allSatisfy { $0.values == expected }
    #expect(samePlaced)
    withExtendedLifetime((sent, experts, gates)) {}
    return received
  }

  private func read(_ received: ReceivedTokens) -> FormatRows {
    let tiles = exchange.outward == .fp8 ? reference.tiles : 0
    let codes = received.count * (reference.rowBytes(exchange.outward) - tiles)
    return FormatRows(
      codes: Array(UnsafeRawBufferPointer(start: received.tokenRows.codes, count: codes)),
      scales: (0..<received.count * tiles).map {
        received.tokenRows.scales?[$0].bitPattern ?? .max
      })
  }

  func scatter(_ plan: ExchangePlan) throws {
    let format = exchange.outward
    let sent = Memory(reference.formatRows(rank, format, salt: 1), format)
    let flight = try exchange.startScatter(plan, rows: TokenRows(sent.rows))
    let received = Memory(plan.rowCount, reference, format)
    try exchange.finishScatter(flight, into: received.rows)
    let same = received.values == reference.receivedRows(rank, format, salt: 1)
    #expect(same)
    withExtendedLifetime(sent) {}
  }

  private func answers() -> Fixed<Float> {
    Fixed(
      reference.received(by: rank).flatMap { reference.answerWithTies(rank, $0.source, $0.token) })
  }

  private func check(_ sums: Fixed<Float>) {
    let expected = reference.combined(rank, as: exchange.inward)
    let same = sums.values.map(\.bitPattern) == expected.map(\.bitPattern)
    #expect(same)
  }

  func combine(_ plan: ExchangePlan) throws {
    let answers = answers()
    let flight = try exchange.startCombine(plan, rows: answers.pointer)
    let sums = Fixed([Float](repeating: .nan, count: tokens * reference.hidden))
    try exchange.finishCombine(flight, into: sums.pointer)
    check(sums)
    withExtendedLifetime(answers) {}
  }

  func gather(_ plan: ExchangePlan) throws {
    let answers = answers()
    let (experts, _) = reference.receivedSlots(rank)
    let gradients = Fixed(
      reference.received(by: rank).enumerated().flatMap { row, pair in
        (0..<reference.slots).map { slot in
          experts[row * reference.slots + slot] < 0
            ? 999 : reference.gateGradient(pair.source, pair.token, slot)
        }
      })
    let flight = try exchange.startGather(
      plan, rows: answers.pointer, gateGradients: gradients.pointer)
    let sums = Fixed([Float](repeating: .nan, count: tokens * reference.hidden))
    let gates = Fixed([Float](repeating: .nan, count: tokens * reference.slots))
    try exchange.finishGather(flight, into: sums.pointer, gateGradients: gates.pointer)
    check(sums)
    let expected = (0..<tokens).flatMap { token in
      (0..<reference.slots).map { reference.gateGradient(rank, token, $0) }
    }
    let sameGates = gates.values == expected
    #expect(sameGates)
    withExtendedLifetime((answers, gradients)) {}
  }

  func all(placed: Bool) throws {
    let received = try dispatch(placed: placed)
    try combine(received.plan)
    try scatter(received.plan)
    try gather(received.plan)
  }
}
