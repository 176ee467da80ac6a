// The forms a value of cluster.yaml may have: how each is read from the tree, what to say when
// it is something else, and how it is written back.

/// One form of value: whole number, number, word, text, list, or a word standing for "not given".
struct ValueForm<Value: Sendable>: Sendable {
  /// What is allowed, for messages and the documentation: "a whole number ≥ 1".
  let expects: String
  /// Reads a node as the value of the key with this path.
  let parse: @Sendable (YAMLNode, Slot) throws(ConfigurationError) -> Value
  let render: @Sendable (Value) -> SettingValue
}

/// What a value is read for.
struct Slot: Sendable {
  /// Dotted path of the key, with `[index]` inside a list.
  var path: String
  /// The word that may stand instead of the value, as " or default"; otherwise empty.
  var alternative = ""
}

/// The error for a node that is not what its key wants.
func mismatch(
  _ node: YAMLNode, _ slot: Slot, expected: String, hint: String = ""
) -> ConfigurationError {
  var value: String?
  if case .scalar(let text, _) = node.content { value = text }
  return ConfigurationError(
    "expected \(expected)\(slot.alternative), got \(node.shown)\(hint)", origin: node.origin,
    keyPath: slot.path, value: value)
}

private func quotedNumberHint(_ node: YAMLNode) -> String {
  if case .scalar(_, isPlain: false) = node.content {
    return "; numbers stand without quotation marks"
  }
  return ""
}

extension ValueForm where Value == Int {
  /// A whole number in `range`.
  static func integer(_ range: ClosedRange<Int>) -> ValueForm<Int> {
    let expects = "a whole number ≥ \(range.lowerBound)"
    return ValueForm<Int>(
      expects: expects,
      parse: { (node, slot) throws(ConfigurationError) in
        guard let text = node.plainText, let value = Int(text) else {
          throw mismatch(node, slot, expected: expects, hint: quotedNumberHint(node))
        }
        guard value >= range.lowerBound else { throw mismatch(node, slot, expected: expects) }
        guard value <= range.upperBound else {
          throw mismatch(node, slot, expected: "a whole number ≤ \(range.upperBound)")
        }
        return value
      },
      render: { .integer($0) })
  }
}

extension ValueForm where Value == UInt64 {
  /// Any number of 64 bits.
  static var seed: ValueForm<UInt64> {
    let expects = "a whole number from 0 to 2^64 - 1"
    return ValueForm<UInt64>(
      expects: expects,
      parse: { (node, slot) throws(ConfigurationError) in
        guard let text = node.plainText, let value = UInt64(text) else {
          throw mismatch(node, slot, expected: expects, hint: quotedNumberHint(node))
        }
        return value
      },
      render: { .unsigned($0) })
  }
}

extension ValueForm where Value == Double {
  /// A finite number for which `holds` is true; `expects` says which those are.
  static func number(
    _ expects: String, where holds: @escaping @Sendable (Double) -> Bool
  ) -> ValueForm<Double> {
    ValueForm<Double>(
      expects: expects,
      parse: { (node, slot) throws(ConfigurationError) in
        guard let text = node.plainText, let value = decimal(text), holds(value) else {
          throw mismatch(node, slot, expected: expects, hint: quotedNumberHint(node))
        }
        return value
      },
      render: { .number($0) })
  }

  static var positive: ValueForm<Double> { .number("a number > 0") { $0 > 0 } }
  static var notNegative: ValueForm<Double> { .number("a number ≥ 0") { $0 >= 0 } }
  /// A share of the whole.
  static var share: ValueForm<Double> { .number("a number from 0 to 1") { $0 >= 0 && $0 <= 1 } }
  static var belowOne: ValueForm<Double> {
    .number("a number ≥ 0 and < 1") { $0 >= 0 && $0 < 1 }
  }
}

/// A finite decimal number; no hexadecimal, infinity or NaN, which Swift would read too.
private func decimal(_ text: String) -> Double? {
  let isDecimal = text.utf8.allSatisfy { byte in
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
      || [".", "e", "E", "+", "-"].contains(Character(Unicode.Scalar(byte)))
  }
  guard isDecimal, let value = Double(text), value.isFinite else { return nil }
  return value
}

extension ValueForm
where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  /// One of the words of an enum.
  static func choice() -> ValueForm<Value> {
    let words = Value.allCases.map(\.rawValue)
    let expects = words.joined(separator: " or ")
    return ValueForm<Value>(
      expects: expects,
      parse: { (node, slot) throws(ConfigurationError) in
        guard case .scalar(let text, _) = node.content else {
          throw mismatch(node, slot, expected: expects)
        }
        if let value = Value(rawValue: text) { return value }
        let near = words.count > 1 ? nearestName(to: text, among: words) : nil
        let hint = near.map { "; did you mean '\($0)'?" } ?? ""
        throw mismatch(node, slot, expected: expects, hint: hint)
      },
      render: { .word($0.rawValue) })
  }
}

extension ValueForm where Value == String {
  /// Any text but the empty one.
  static func text(_ expects: String) -> ValueForm<String> {
    ValueForm<String>(
      expects: expects,
      parse: { (node, slot) throws(ConfigurationError) in
        guard case .scalar(let text, _) = node.content, !text.isEmpty, !node.isNull else {
          throw mismatch(node, slot, expected: expects)
        }
        return text
      },
      render: { .text($0) })
  }
}

extension ValueForm where Value == QueryProjection {
  /// The rank of the latent, or `none`.
  static var queryProjection: ValueForm<QueryProjection> {
    let rank = ValueForm<Int>.integer(1...SizeLimit.width)
    return ValueForm<QueryProjection>(
      expects: rank.expects + " or none",
      parse: { (node, slot) throws(ConfigurationError) in
        if node.plainText == "none" { return .direct }
        let alternative = " or none" + slot.alternative
        return .compressed(
          try rank.parse(node, Slot(path: slot.path, alternative: alternative)))
      },
      render: { projection in
        switch projection {
        case .direct: .word("none")
        case .compressed(let rank): .integer(rank)
        }
      })
  }
}

extension ValueForm {
  /// A list of at least one value of this form; a single value stands for a list of one.
  static func list<Element>(
    of element: ValueForm<Element>, _ expects: String
  ) -> ValueForm<[Element]> where Value == [Element] {
    ValueForm<[Element]>(
      expects: expects,
      parse: { (node, slot) throws(ConfigurationError) in
        switch node.content {
        case .scalar where !node.isNull: return [try element.parse(node, slot)]
        case .sequence(let items) where !items.isEmpty:
          var values: [Element] = []
          for (index, item) in items.enumerated() {
            values.append(try element.parse(item, Slot(path: "\(slot.path)[\(index)]")))
          }
          return values
        case .sequence: throw mismatch(node, slot, expected: expects, hint: " without items")
        default: throw mismatch(node, slot, expected: expects)
        }
      },
      render: { .list($0.map(element.render)) })
  }

  /// A value, or the word that stands for none given.
  static func orWord<Wrapped: Sendable>(
    _ word: String, _ form: ValueForm<Wrapped>
  ) -> ValueForm<Wrapped?> where Value == Wrapped? {
    ValueForm<Wrapped?>(
      expects: form.expects + " or " + word,
      parse: { (node, slot) throws(ConfigurationError) in
        if node.plainText == word || node.isNull { return nil }
        return try form.parse(node, Slot(path: slot.path, alternative: " or " + word))
      },
      render: { value in value.map(form.render) ?? .absent(word) })
  }
}
