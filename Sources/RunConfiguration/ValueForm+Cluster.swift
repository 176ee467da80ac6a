// Forms of values below `cluster`: quantities with units, yes or no, and what is broken on which
// rank.

internal import Units

extension ValueForm where Value: Quantity {
  /// A number with a unit, within `range`.
  static func quantity(_ range: ClosedRange<Value>) -> ValueForm<Value> {
    ValueForm<Value>(
      expects: Value.wanted,
      parse: { (node, slot) throws(ConfigurationError) in
        guard case .scalar(let text, _) = node.content, !node.isNull else {
          throw mismatch(node, slot, expected: Value.wanted)
        }
        let value: Value
        do throws(QuantityError) {
          value = try Value(parsing: text)
        } catch {
          throw mismatch(node, slot, expected: Value.wanted, hint: "; " + reason(error))
        }
        guard range.contains(value) else {
          let bound =
            value < range.lowerBound
            ? "it must be at least \(range.lowerBound.text)"
            : "it must be at most \(range.upperBound.text)"
          throw mismatch(node, slot, expected: Value.wanted, hint: "; " + bound)
        }
        return value
      },
      render: { .word($0.text) })
  }
}

/// What is wrong with a quantity, with the unit that was most likely meant.
private func reason(_ error: QuantityError) -> String {
  guard case .unknownUnit(let unit) = error.kind else { return error.reason }
  // Bits and bytes differ in case only.
  let sameLetters = error.units.filter { $0.lowercased() == unit.lowercased() }
  let near = sameLetters.isEmpty ? nearestName(to: unit, among: error.units) : sameLetters[0]
  let question = near.map { "did you mean '\($0)'? Units" } ?? "units"
  return "there is no unit '\(printable(unit))'; \(question) are "
    + error.units.joined(separator: ", ")
}

extension ValueForm where Value == Bool {
  static var boolean: ValueForm<Bool> {
    ValueForm<Bool>(
      expects: "true or false",
      parse: { (node, slot) throws(ConfigurationError) in
        switch node.plainText {
        case "true": return true
        case "false": return false
        default: throw mismatch(node, slot, expected: "true or false")
        }
      },
      render: { .boolean($0) })
  }
}

extension ValueForm where Value == Set<Int> {
  /// World ranks, or `none`.
  static var ranks: ValueForm<Set<Int>> {
    let list = ValueForm<[Int]>.list(of: .integer(0...SizeLimit.ranks - 1), "a list of ranks")
    return ValueForm<Set<Int>>(
      expects: list.expects + " or none",
      parse: { (node, slot) throws(ConfigurationError) in
        if node.plainText == "none" || node.isNull { return [] }
        return Set(try list.parse(node, Slot(path: slot.path, alternative: " or none")))
      },
      render: { $0.isEmpty ? .absent("none") : list.render($0.sorted()) })
  }
}

extension ValueForm where Value == [Int: Double] {
  /// Speeds of single ranks, or `none`: `5:0.8`, a list of such, or a mapping.
  static var rankSpeeds: ValueForm<[Int: Double]> {
    ValueForm<[Int: Double]>(
      expects: "a list of RANK:FACTOR such as 5:0.8 or none",
      parse: { (node, slot) throws(ConfigurationError) in
        if node.plainText == "none" || node.isNull { return [:] }
        var speeds: [Int: Double] = [:]
        for (node, rank, factor) in try rankFactors(node, slot) {
          guard speeds.updateValue(factor, forKey: rank) == nil else {
            throw ConfigurationError(
              "rank \(rank) stands twice", origin: node.origin, keyPath: slot.path)
          }
        }
        return speeds
      },
      render: { speeds in
        if speeds.isEmpty { return .absent("none") }
        return .list(speeds.sorted { $0.key < $1.key }.map { .text("\($0.key):\($0.value)") })
      })
  }
}

/// Every rank with its factor, and the node that it stands in, in order.
private func rankFactors(
  _ node: YAMLNode, _ slot: Slot
) throws(ConfigurationError) -> [(YAMLNode, Int, Double)] {
  switch node.content {
  case .scalar(let text, _):
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw notARankFactor(node, slot) }
    let factor = YAMLNode(
      .scalar(String(parts[1].drop { $0 == " " }), isPlain: true), origin: node.origin)
    return [try rankFactor(node, String(parts[0]), factor, slot)]
  case .sequence(let items):
    var found: [(YAMLNode, Int, Double)] = []
    for (index, item) in items.enumerated() {
      if case .sequence = item.content { throw notARankFactor(item, slot) }
      found += try rankFactors(item, Slot(path: "\(slot.path)[\(index)]"))
    }
    return found
  case .mapping(let entries):
    var found: [(YAMLNode, Int, Double)] = []
    for entry in entries { found.append(try rankFactor(node, entry.key, entry.value, slot)) }
    return found
  }
}

private func rankFactor(
  _ node: YAMLNode, _ rank: String, _ factor: YAMLNode, _ slot: Slot
) throws(ConfigurationError) -> (YAMLNode, Int, Double) {
  guard let number = Int(rank), (0..<SizeLimit.ranks).contains(number) else {
    throw notARankFactor(node, slot)
  }
  return (node, number, try ValueForm<Double>.speed.parse(factor, slot))
}

private func notARankFactor(_ node: YAMLNode, _ slot: Slot) -> ConfigurationError {
  mismatch(node, slot, expected: "RANK:FACTOR such as 5:0.8, or none")
}

extension ValueForm where Value == Double {
  /// A factor on speed. Its least keeps virtual times within 64 bits.
  static var speed: ValueForm<Double> {
    .number("a number from 0.01 to 100") { $0 >= 0.01 && $0 <= 100 }
  }
  /// A share of a bandwidth that is reached.
  static var efficiency: ValueForm<Double> {
    .number("a number from 0.01 to 1") { $0 >= 0.01 && $0 <= 1 }
  }
}
