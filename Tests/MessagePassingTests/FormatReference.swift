// Rows in a format, for the obvious exchange: what each rank sends, what must arrive, and sums with
// the roundings that BF16 rows ask for, one by one in the promised order.

import MessagePassing

/// Rows as bytes and scales.
struct FormatRows: Equatable {
  var codes: [UInt8] = []
  /// Bit patterns, so that NaN equals itself.
  var scales: [UInt32] = []
}

extension ExchangeReference {
  /// Scales of an FP8 row.
  var tiles: Int { (hidden + 127) / 128 }

  /// Bytes of a row in a message, as the format's definition has it.
  func rowBytes(_ format: RowFormat) -> Int {
    switch format {
    case .fp32: 4 * hidden
    case .bf16: 2 * hidden
    case .fp8: hidden + tiles
    }
  }

  /// Any bytes at all, and every power of two that a byte can say, with 0 and infinity.
  func formatRows(_ source: Int, _ format: RowFormat, salt: Int) -> FormatRows {
    var numbers = Numbers(seed: seed, source, 6 + salt)
    let codeBytes = format == .fp32 ? 4 : format == .bf16 ? 2 : 1
    var codes: [UInt8] = []
    while codes.count < tokens(source) * hidden * codeBytes {
      withUnsafeBytes(of: numbers.next()) { codes += $0 }
    }
    codes.removeLast(codes.count - tokens(source) * hidden * codeBytes)
    guard format == .fp8 else { return FormatRows(codes: codes) }
    let scales = (0..<tokens(source) * tiles).map { _ in
      UInt32(truncatingIfNeeded: numbers.next() & 0xff) << 23
    }
    return FormatRows(codes: codes, scales: scales)
  }

  /// What `rank` must receive of them, in canonical order.
  func receivedRows(_ rank: Int, _ format: RowFormat, salt: Int) -> FormatRows {
    var result = FormatRows()
    let all = (0..<size).map { formatRows($0, format, salt: salt) }
    for pair in received(by: rank) {
      let rows = all[pair.source]
      let codeBytes = rows.codes.count / tokens(pair.source)
      result.codes += rows.codes[pair.token * codeBytes..<(pair.token + 1) * codeBytes]
      if format == .fp8 {
        result.scales += rows.scales[pair.token * tiles..<(pair.token + 1) * tiles]
      }
    }
    return result
  }

  /// Index among `rank`'s experts and gate of each slot that it receives; -1 and 0 for another's.
  func receivedSlots(_ rank: Int) -> (experts: [Int32], gates: [Float]) {
    let (choices, gates) = ((0..<size).map(choices), (0..<size).map(gates))
    let all = received(by: rank).flatMap { pair in
      (pair.token * slots..<(pair.token + 1) * slots).map { slot -> (Int32, Float) in
        let expert = choices[pair.source][slot]
        guard owner(expert) == rank else { return (-1, 0) }
        return (expert - Int32(rank * expertsPerRank), gates[pair.source][slot])
      }
    }
    return (all.map(\.0), all.map(\.1))
  }

  /// As `answer`, every other number a multiple of 2⁻⁹, so that many lie half-way between BF16s.
  func answerWithTies(_ rank: Int, _ source: Int, _ token: Int) -> [Float] {
    answer(rank, source, token).enumerated().map { column, number in
      column % 2 == 0 ? number : (number * 512).rounded() / 512
    }
  }

  /// Sums for `source`: of rows, within each node and then over nodes. BF16: each row is rounded,
  /// and, if there are several nodes to route between, each node's sum.
  func combined(_ source: Int, as format: RowFormat) -> [Float] {
    let choices = choices(source)
    let routesNodes = route == .twoHop && Set(worldRanks.indices.map(node)).count > 1
    return (0..<tokens(source)).flatMap { token in
      let owners = owners(choices, token)
      let nodes = routesNodes ? Self.groups(owners, by: node) : [owners]
      let sums = nodes.map { ranks in
        Self.sum(
          ranks.map { rank in
            let row = answerWithTies(rank, source, token)
            return format == .bf16 ? row.map(nearestBF16) : row
          })
      }
      return Self.sum(
        format == .bf16 && routesNodes ? sums.map { $0.map(nearestBF16) } : sums)
    }
  }

  /// (source, token, rank) triples that travel within a node: from the relay, which is the source
  /// itself in its own node and else the rank with the same place, to another rank. On the direct
  /// route the source itself sends. For groups of whole nodes.
  func nvlinkPairs() -> Int {
    (0..<size).reduce(0) { pairs, source in
      let choices = choices(source)
      return (0..<tokens(source)).reduce(pairs) { pairs, token in
        pairs
          + owners(choices, token).filter { owner in
            if route == .direct { return owner != source && node(owner) == node(source) }
            return owner != node(owner) * ranksPerNode + source % ranksPerNode
          }.count
      }
    }
  }

  /// Rows that all sources together send to other nodes.
  func infinibandPairs() -> Int {
    (0..<size).reduce(0) {
      $0 + (route == .twoHop ? remoteNodePairs($1) : remoteRankPairs($1))
    }
  }
}

/// The nearest BF16, ties to even: 8 significant bits, subnormal below 2⁻¹²⁶, found by dividing.
func nearestBF16(_ x: Float) -> Float {
  guard x.isFinite, x != 0 else { return x }
  let unit = Double(sign: .plus, exponent: max(Int(x.exponent), -126) - 7, significand: 1)
  return Float((Double(x) / unit).rounded(.toNearestOrEven) * unit)
}
