// The expert exchange with rows in BF16 and FP8: they arrive as they were sent, sums are rounded
// where the documentation says so, and the bytes are those of the format.

import MPITestSupport
import MessagePassing
import Testing

extension MPITests {
  @MainActor @Suite(.serialized) struct FormatTests {
    /// Formats out and in.
    nonisolated struct Formats: CustomTestStringConvertible {
      let outward: RowFormat
      let inward: RowFormat
      var testDescription: String { "\(outward.rawValue) out, \(inward.rawValue) in" }

      /// Each narrow format in each direction that has it; the directions are independent.
      static let all = [
        Formats(outward: .fp8, inward: .bf16), Formats(outward: .bf16, inward: .fp32),
      ]
    }

    /// 131 numbers a row: two scales, the second for 3 of them; rows start at odd addresses.
    private static func reference(
      _ group: Communicator, _ ranksPerNode: Int, _ routing: Routing, _ route: ExchangeRoute
    ) -> ExchangeReference {
      ExchangeReference(
        worldRanks: group.worldRanks, ranksPerNode: ranksPerNode, expertsPerRank: 3, slots: 3,
        hidden: 131, routing: routing, route: route, seed: 31)
    }

    private static func exchange(
      _ group: Communicator, _ reference: ExchangeReference, _ formats: Formats
    ) throws -> ExpertExchange {
      try ExpertExchange(
        group: group, ranksPerNode: reference.ranksPerNode, experts: reference.experts,
        expertsPerToken: reference.slots, hidden: reference.hidden, route: reference.route,
        outward: formats.outward, inward: formats.inward)
    }

    @Test(arguments: [Routing.random, .emptyRanks, .repeated, .ownRank], Formats.all)
    func rowsArriveAsTheyWereSentAndSumsAreRoundedInOrder(
      routing: Routing, formats: Formats
    ) throws {
      for members in Members.allCases {
        guard let group = try ExchangeTests.group(members) else { continue }
        for route in [ExchangeRoute.twoHop, .direct] {
          let reference = Self.reference(group, 2, routing, route)
          let exchange = try Self.exchange(group, reference, formats)
          let round = FormatRound(reference: reference, exchange: exchange)
          try round.all(placed: false)
          try round.all(placed: true)
        }
      }
      try MPITestWorld.world().barrier()
    }

    /// Each of the four exchanges carries every row once: two outward, two inward.
    @Test(arguments: [1, 2, 4], Formats.all)
    func theLinksCarryTheBytesOfTheFormat(ranksPerNode: Int, formats: Formats) throws {
      let group = try MPITestWorld.world()
      guard group.size == 1 || group.size % ranksPerNode == 0 else { return }
      for route in [ExchangeRoute.twoHop, .direct] {
        let reference = Self.reference(group, ranksPerNode, .random, route)
        let exchange = try Self.exchange(group, reference, formats)
        try FormatRound(reference: reference, exchange: exchange).all(placed: true)
        let floats = try Self.exchange(group, reference, Formats(outward: .fp32, inward: .fp32))
        try FormatRound(reference: reference, exchange: floats).all(placed: true)
        let row = 2 * (reference.rowBytes(formats.outward) + reference.rowBytes(formats.inward))
        let traffic = exchange.traffic
        let bytes = try group.allReduceSum([traffic.infinibandBytes, traffic.nvlinkBytes])
        #expect(bytes == [reference.infinibandPairs() * row, reference.nvlinkPairs() * row])
        // Expert numbers, gates and their gradients are the same in every format.
        #expect(traffic.metadataBytes == floats.traffic.metadataBytes)
      }
    }

    /// Three tokens to the next rank, every rank a node: 3 × 2 · 300 bytes in BF16, and in FP8
    /// 3 × (300 + 3), 300 = 128 + 128 + 44 having three scales.
    @Test(needs(ranks: 2)) func aDispatchInFP8IsHalfOfOneInBF16AndItsScales() throws {
      let group = try MPITestWorld.world()
      func bytes(_ format: RowFormat) throws -> Int {
        let exchange = try ExpertExchange(
          group: group, ranksPerNode: 1, experts: group.size, expertsPerToken: 1, hidden: 300,
          route: .twoHop, outward: format, inward: .bf16)
        let codes = Fixed([UInt8](repeating: 1, count: 3 * 600))
        let scales = Fixed([Float](repeating: 0.5, count: 3 * 3))
        let gates = Fixed([Float](repeating: 1, count: 3))
        let experts = Fixed([Int32](repeating: Int32((group.rank + 1) % group.size), count: 3))
        let flight = try exchange.startDispatch(
          rows: TokenRows(codes: codes.pointer, scales: scales.pointer), tokens: 3,
          maxTokensAnyRank: 3, experts: experts.pointer, gates: gates.pointer)
        #expect(try exchange.finishDispatch(flight).count == 3)
        withExtendedLifetime((codes, scales, gates, experts)) {}
        return exchange.traffic.infinibandBytes
      }
      #expect(try bytes(.bf16) == 1800)
      #expect(try bytes(.fp8) == 909)
      // The report's rows: 7168 + 56 bytes against 14,336.
      #expect(RowFormat.fp8.bytes(hidden: 7168) == 7224)
      #expect(RowFormat.bf16.bytes(hidden: 7168) == 14_336)
    }

    /// Numbers and what BF16 makes of them: 7 bits behind the point, ties to even; the largest
    /// FP32 is nearer to 2¹²⁸ than to BF16's largest; subnormals are multiples of 2⁻¹³³.
    private static let roundings: [(Float, Float)] = [
      (1 + 0x1p-8, 1), (1 + 0x3p-8, 1 + 0x1p-6), (-1 - 0x1.02p-8, -1 - 0x1p-7), (-0.0, -0.0),
      (.greatestFiniteMagnitude, .infinity), (0x1.fep127, 0x1.fep127), (-.infinity, -.infinity),
      (0x1p-134, 0), (0x3p-134, 0x1p-132), (0x1p-133, 0x1p-133),
    ]

    /// Token 0 stays on its rank, token 1 goes to the next one. Experts answer with the same row.
    @Test(arguments: [1, 2], [ExchangeRoute.twoHop, .direct])
    func aRowCountsTheSameFromHereAndFromElsewhere(
      ranksPerNode: Int, route: ExchangeRoute
    ) throws {
      let group = try MPITestWorld.world()
      let hidden = Self.roundings.count + 1
      let exchange = try ExpertExchange(
        group: group, ranksPerNode: ranksPerNode, experts: group.size, expertsPerToken: 1,
        hidden: hidden, route: route, outward: .fp8, inward: .bf16)
      let codes = Fixed([UInt8](repeating: 1, count: 2 * hidden))
      let scales = Fixed([Float](repeating: 2, count: 2))
      let gates = Fixed([Float](repeating: 1, count: 2))
      let experts = Fixed([group.rank, (group.rank + 1) % group.size].map { Int32($0) })
      let flight = try exchange.startDispatch(
        rows: TokenRows(codes: codes.pointer, scales: scales.pointer), tokens: 2,
        maxTokensAnyRank: 2, experts: experts.pointer, gates: gates.pointer)
      let received = try exchange.finishDispatch(flight)
      #expect(received.count == 2)
      let row = Self.roundings.map(\.0) + [.nan]
      let answers = Fixed(row + row)
      let back = try exchange.startCombine(received.plan, rows: answers.pointer)
      let sums = Fixed([Float](repeating: 7, count: 2 * hidden))
      try exchange.finishCombine(back, into: sums.pointer)
      for token in 0..<2 {
        let sum = sums.values[token * hidden..<(token + 1) * hidden]
        #expect(sum.dropLast().map(\.bitPattern) == Self.roundings.map(\.1.bitPattern))
        #expect(sum.last?.isNaN == true)
      }
      withExtendedLifetime((codes, scales, gates, experts, answers)) {}
    }

    @Test func aRankAloneBorrowsItsRowsAndRoundsItsSums() throws {
      let world = try MPITestWorld.world()
      let group = try world.subgroup(
        worldRanks: [world.worldRanks[world.rank]], tag: 40 + world.rank)
      let reference = Self.reference(group, 1, .random, .twoHop)
      let exchange = try Self.exchange(group, reference, Formats.all[0])
      let round = FormatRound(reference: reference, exchange: exchange)
      try round.all(placed: true)
      let codes = Fixed(reference.formatRows(0, .fp8, salt: 0).codes)
      let scales = Fixed([Float](repeating: 1, count: reference.tokens(0) * reference.tiles))
      let experts = Fixed(reference.choices(0))
      let gates = Fixed(reference.gates(0))
      let flight = try exchange.startDispatch(
        rows: TokenRows(codes: codes.pointer, scales: scales.pointer),
        tokens: reference.tokens(0), maxTokensAnyRank: reference.maxTokens,
        experts: experts.pointer, gates: gates.pointer)
      let received = try exchange.finishDispatch(flight)
      #expect(received.isBorrowed && received.tokenRows.codes == UnsafeRawPointer(codes.pointer))
      #expect(received.tokenRows.scales == UnsafePointer(scales.pointer))
      try round.combine(received.plan)
      #expect(exchange.traffic == ExchangeTraffic())
      #expect(exchange.bufferBytes == 0)
      withExtendedLifetime((codes, scales, experts, gates)) {}
    }

    @Test func memoryIsUsedAgainInNarrowFormats() throws {
      let group = try MPITestWorld.world()
      let reference = Self.reference(group, 2, .random, .twoHop)
      let exchange = try Self.exchange(group, reference, Formats.all[0])
      let round = FormatRound(reference: reference, exchange: exchange)
      for _ in 0..<5 { try round.all(placed: false) }
      try group.barrier()
      let before = exchange.bufferBytes
      for _ in 0..<15 { try round.all(placed: false) }
      // A receiver may take a message late, and its sender then needs another buffer meanwhile.
      #expect(exchange.bufferBytes <= before + before / 2)
    }
  }
}
