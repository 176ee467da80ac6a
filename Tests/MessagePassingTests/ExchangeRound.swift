// One dispatch with its combine, scatter and gather on this rank, each compared with the reference.

import MessagePassing
import Testing

@MainActor struct Round {
  let reference: ExchangeReference
  let exchange: ExpertExchange
  private(set) var received: ReceivedTokens?

  private var flight: ExchangeInFlight?
  private let inputs: Fixed<Float>
  private let gates: Fixed<Float>
  private let choices: [Int32]
  private let experts: Fixed<Int32>
  private var answers = Fixed<Float>([])

  private var rank: Int { exchange.group.rank }
  private var tokens: Int { reference.tokens(rank) }

  init(_ reference: ExchangeReference, _ exchange: ExpertExchange) {
    self.reference = reference
    self.exchange = exchange
    inputs = Fixed(reference.rows(exchange.group.rank))
    gates = Fixed(reference.gates(exchange.group.rank))
    choices = reference.choices(exchange.group.rank)
    experts = Fixed(choices)
  }

  // MARK: Dispatch

  mutating func startDispatch() throws {
    flight = try exchange.startDispatch(
      rows: inputs.pointer, tokens: tokens, maxTokensAnyRank: reference.maxTokens,
      experts: experts.pointer, gates: gates.pointer)
  }

  mutating func finishDispatch(into place: ((Int) -> UnsafeMutablePointer<Float>)? = nil) throws {
    guard let flight else { return }
    received = try exchange.finishDispatch(flight, into: place)
    self.flight = nil
  }

  mutating func dispatch() throws {
    try startDispatch()
    try finishDispatch()
  }

  /// Rows, local experts and gates, in canonical order, bit for bit.
  func checkReceived() {
    guard let received else { return }
    let expected = reference.received(by: rank)
    #expect(received.count == expected.count)
    guard received.count == expected.count else { return }
    var rows: [Float] = []
    var experts: [Int32] = []
    var gates: [Float] = []
    for source in 0..<reference.size {
      let (allRows, allGates) = (reference.rows(source), reference.gates(source))
      let choices = reference.choices(source)
      for pair in expected where pair.source == source {
        rows += allRows[pair.token * reference.hidden..<(pair.token + 1) * reference.hidden]
        for slot in pair.token * reference.slots..<(pair.token + 1) * reference.slots {
          let isOwn = reference.owner(choices[slot]) == rank
          experts.append(isOwn ? choices[slot] - Int32(rank * reference.expertsPerRank) : -1)
          gates.append(isOwn ? allGates[slot] : 0)
        }
      }
    }
    let sameRows = rows.indices.allSatisfy { received.rows[$0] == rows[$0] }
    let sameExperts = experts.indices.allSatisfy { received.expertIDs[$0] == experts[$0] }
    let sameGates = gates.indices.allSatisfy { received.gates[$0] == gates[$0] }
    #expect(sameRows && sameExperts && sameGates)
  }

  // MARK: Combine

  mutating func startCombine() throws {
    guard let received else { return }
    answers = Fixed(
      reference.received(by: rank).flatMap { reference.answer(rank, $0.source, $0.token) })
    flight = try exchange.startCombine(received.plan, rows: answers.pointer)
  }

  mutating func finishCombine() throws {
    guard let flight else { return }
    let sums = Fixed([Float](repeating: .nan, count: tokens * reference.hidden))
    try exchange.finishCombine(flight, into: sums.pointer)
    self.flight = nil
    #expect(sums.values == reference.combined(rank))
    let close = zip(sums.values, reference.exactlyCombined(rank)).allSatisfy { sum, exact in
      abs(Double(sum) - exact) <= 1e-6 * Double(reference.slots)
    }
    #expect(close)
  }

  mutating func combine() throws {
    try startCombine()
    try finishCombine()
  }

  // MARK: Backward

  /// Sends every token's row times two; each receiver must find just that.
  mutating func scatter() throws {
    guard let received else { return }
    let doubled = Fixed(inputs.values.map { $0 * 2 })
    let flight = try exchange.startScatter(received.plan, rows: doubled.pointer)
    let count = received.count * reference.hidden
    let rows = Fixed([Float](repeating: .nan, count: count))
    try exchange.finishScatter(flight, into: rows.pointer)
    let same = (0..<count).allSatisfy { rows.pointer[$0] == 2 * received.rows[$0] }
    #expect(same)
  }

  /// Sums as in combine; the gradient of a gate comes from the owner of its expert alone, though
  /// the others' slots hold numbers, too.
  mutating func gather() throws {
    guard let received else { return }
    let pairs = reference.received(by: rank)
    let rows = Fixed(pairs.flatMap { reference.answer(rank, $0.source, $0.token) })
    let gradients = Fixed(
      pairs.enumerated().flatMap { row, pair in
        (0..<reference.slots).map { slot in
          received.expertIDs[row * reference.slots + slot] < 0
            ? 999 : reference.gateGradient(pair.source, pair.token, slot)
        }
      })
    let flight = try exchange.startGather(
      received.plan, rows: rows.pointer, gateGradients: gradients.pointer)
    let sums = Fixed([Float](repeating: .nan, count: tokens * reference.hidden))
    let gates = Fixed([Float](repeating: .nan, count: tokens * reference.slots))
    try exchange.finishGather(flight, into: sums.pointer, gateGradients: gates.pointer)
    #expect(sums.values == reference.combined(rank))
    let expected = (0..<tokens).flatMap { token in
      (0..<reference.slots).map { reference.gateGradient(rank, token, $0) }
    }
    #expect(gates.values == expected)
  }
}

/// Numbers at a fixed address.
final class Fixed<Number: BitwiseCopyable> {
  let pointer: UnsafeMutablePointer<Number>
  let count: Int

  init(_ values: [Number]) {
    count = values.count
    pointer = .allocate(capacity: max(count, 1))
    pointer.initialize(from: values, count: count)
  }

  deinit { pointer.deallocate() }

  var values: [Number] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
}
