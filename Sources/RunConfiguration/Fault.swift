// A fault that is made on purpose, to see what a run does about it: what, on which rank, in which
// step. Its text is the same in cluster.yaml and in the requests of `dsv3 inject`.

internal import ModelSpec

/// Something that goes wrong once.
package struct Fault: Hashable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// The rank kills itself in the middle of the step.
    case kill
    /// It stops answering, also to MPI.
    case hang
    /// A NaN gets into one of its gradients.
    case nan
    /// Its compute takes longer by a factor.
    case slow
    /// A bit of one of its weights flips.
    case flip
    /// The newest checkpoint is damaged when the step is over.
    case corrupt
  }

  package var kind: Kind
  /// World rank; nil for a fault that concerns no rank (`corrupt`).
  package var rank: Int?
  /// From 1; nil in a request only, for as soon as possible.
  package var step: Int?
  /// Of `slow`: time that its compute takes over what it would take, ≥ 1.
  package var factor = 1.0
  /// Of `slow`: steps that it lasts.
  package var length = Fault.defaultLength

  package static let defaultLength = 5
  /// Longer than this nobody waits for.
  package static let mostFactor = 1000.0

  package init(_ kind: Kind, rank: Int? = nil, step: Int? = nil) {
    self.kind = kind
    self.rank = rank
    self.step = step
  }

  /// `kill 3 at 10`, `slow 2 at 4 by 3 for 10`, `corrupt at 50`; a step is missing where none is
  /// said.
  package var text: String {
    var text = kind.rawValue
    if let rank { text += " \(rank)" }
    if let step { text += " at \(step)" }
    if kind == .slow {
      let number = "\(factor)"
      text += " by \(number.hasSuffix(".0") ? String(number.dropLast(2)) : number)"
      if length != Self.defaultLength { text += " for \(length)" }
    }
    return text
  }

  /// The fault that a text names; nil when it names none.
  package init?(parsing text: String) {
    var words = text.split(separator: " ").map(String.init)[...]
    guard let kind = words.popFirst().flatMap(Kind.init(rawValue:)) else { return nil }
    self.init(kind)
    if kind != .corrupt {
      guard let rank = words.popFirst().flatMap({ Int($0) }), (0..<SizeLimit.ranks).contains(rank)
      else { return nil }
      self.rank = rank
    }
    var seen: Set<String> = []
    while let word = words.popFirst() {
      guard seen.insert(word).inserted, let number = words.popFirst() else { return nil }
      switch word {
      case "at":
        guard let step = Self.steps(number) else { return nil }
        self.step = step
      case "by" where kind == .slow:
        guard let factor = Double(number), factor >= 1, factor <= Self.mostFactor else {
          return nil
        }
        self.factor = factor
      case "for" where kind == .slow:
        guard let length = Self.steps(number) else { return nil }
        self.length = length
      default: return nil
      }
    }
    if kind == .slow, !seen.contains("by") { return nil }
  }

  private static func steps(_ text: String) -> Int? {
    Int(text).flatMap { (1...SizeLimit.steps).contains($0) ? $0 : nil }
  }
}

extension ValueForm where Value == [Fault] {
  /// Faults with their steps, or `none`.
  static var faults: ValueForm<[Fault]> {
    let examples = "kill 3 at 10, slow 2 at 4 by 3 or corrupt at 50"
    let expects = "a list of faults such as \(examples), or none"
    return ValueForm<[Fault]>(
      expects: expects,
      parse: { (node, slot) throws(ConfigurationError) in
        if node.plainText == "none" || node.isNull { return [] }
        let items: [YAMLNode]
        if case .sequence(let nodes) = node.content { items = nodes } else { items = [node] }
        guard !items.isEmpty else {
          throw mismatch(node, slot, expected: expects, hint: " without items")
        }
        var faults: [Fault] = []
        for (index, item) in items.enumerated() {
          let place = items.count > 1 ? Slot(path: "\(slot.path)[\(index)]") : slot
          let fault = try fault(item, place, expects: "a fault such as \(examples), or none")
          guard !faults.contains(fault) else {
            throw ConfigurationError(
              "'\(fault.text)' stands twice", origin: item.origin, keyPath: slot.path)
          }
          faults.append(fault)
        }
        return faults
      },
      render: { $0.isEmpty ? .absent("none") : .list($0.map { .word($0.text) }) })
  }

  private static func fault(
    _ node: YAMLNode, _ slot: Slot, expects: String
  ) throws(ConfigurationError) -> Fault {
    guard case .scalar(let text, _) = node.content else {
      throw mismatch(node, slot, expected: expects)
    }
    guard let fault = Fault(parsing: text) else {
      throw mismatch(node, slot, expected: expects, hint: hint(text))
    }
    guard fault.step != nil else {
      throw mismatch(node, slot, expected: expects, hint: "; the step is missing: 'at STEP'")
    }
    return fault
  }

  /// What is most likely wrong with a text that names no fault.
  private static func hint(_ text: String) -> String {
    let words = text.split(separator: " ").map(String.init)
    let kinds = Fault.Kind.allCases.map(\.rawValue)
    guard let kind = words.first.flatMap(Fault.Kind.init(rawValue:)) else {
      let near = words.first.flatMap { nearestName(to: $0, among: kinds) }
      return near.map { "; did you mean '\($0)'?" }
        ?? "; faults are " + kinds.joined(separator: ", ")
    }
    return switch kind {
    case .slow: "; it is 'slow RANK at STEP by FACTOR', FACTOR ≥ 1, and maybe 'for STEPS'"
    case .corrupt: "; it is 'corrupt at STEP'"
    default: "; it is '\(kind.rawValue) RANK at STEP'"
    }
  }
}

extension RunConfiguration {
  /// Checks that the ranks of the run's faults exist.
  func validateRunFaults() throws(ConfigurationError) {
    for fault in faults {
      guard let rank = fault.rank, rank >= layout.worldSize else { continue }
      throw error(
        at: "faults",
        "'\(fault.text)': there is no rank \(rank); the layout has ranks 0 to "
          + "\(layout.worldSize - 1)")
    }
  }
}
