// One row of the schema: a key of cluster.yaml with its unit, its meaning, what it may be, and
// the property of RunConfiguration that it fills.

/// A property of RunConfiguration that a key fills.
typealias Property<Value> = any WritableKeyPath<RunConfiguration, Value> & Sendable

/// A key of cluster.yaml.
package struct SettingKey: Sendable {
  /// Dotted path, such as `training.steps`.
  package let path: String
  /// What a value measures, or the empty string.
  package let unit: String
  /// What is allowed, such as "a whole number ≥ 1".
  package let expects: String
  package let meaning: String
  /// The key that may be given instead of this one, but not with it.
  package let insteadOf: String?

  let read: @Sendable (YAMLNode, inout RunConfiguration) throws(ConfigurationError) -> Void
  /// The value in a configuration; nil when the key that excludes this one is in force.
  package let value: @Sendable (RunConfiguration) -> SettingValue?

  /// A key that fills `property` with values of `form`.
  init<Value: Sendable>(
    _ path: String, _ property: Property<Value>,
    _ form: ValueForm<Value>, unit: String = "", _ meaning: String
  ) {
    self.path = path
    self.unit = unit
    self.meaning = meaning
    expects = form.expects
    insteadOf = nil
    read = { (node, configuration) throws(ConfigurationError) in
      configuration[keyPath: property] = try form.parse(node, Slot(path: path))
    }
    value = { form.render($0[keyPath: property]) }
  }

  /// A key that fills `property` unless the key `insteadOf` does.
  init<Value: Sendable>(
    _ path: String, insteadOf: String,
    _ property: Property<Value?>, _ form: ValueForm<Value>,
    _ meaning: String
  ) {
    self.path = path
    self.insteadOf = insteadOf
    self.meaning = meaning
    unit = ""
    expects = form.expects
    read = { (node, configuration) throws(ConfigurationError) in
      configuration[keyPath: property] = try form.parse(node, Slot(path: path))
    }
    value = { $0[keyPath: property].map(form.render) }
  }

  /// The value when nothing is given; nil for the second of two keys that exclude one another.
  package var defaultValue: SettingValue? { value(RunConfiguration()) }
}

/// Upper bounds of sizes: far above any real model or cluster, and small enough that products of
/// them (parameters, ranks, tokens of a step) fit 64-bit integers.
enum SizeLimit {
  static let width = 1 << 18
  static let layers = 1 << 10
  static let experts = 1 << 14
  static let vocabulary = 1 << 24
  static let ranks = 1 << 16
  static let sequence = 1 << 20
  static let batch = 1 << 12
  static let steps = 1_000_000_000
}
