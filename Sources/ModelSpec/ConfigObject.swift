// Typed access to the members of config.json. Every miss is an error that names the file, the
// key, the value found and what would fit.

internal import JSON

/// One JSON object of a configuration file, with where it stands.
struct ConfigObject {
  var source: String
  /// Dotted path of the object in the file; empty at the top.
  var path: String
  var members: [String: JSONValue]

  /// The member, unless it is absent or null.
  func value(_ key: String) -> JSONValue? {
    guard let value = members[key], value != .null else { return nil }
    return value
  }

  func has(_ key: String) -> Bool { members[key] != nil }

  func error(_ key: String, _ message: String) -> ModelSpecError {
    ModelSpecError(
      .badData, source: source, key: path.isEmpty ? key : "\(path).\(key)", message: message)
  }

  func integer(_ key: String) throws(ModelSpecError) -> Int {
    guard let value = try integerIfPresent(key) else { throw missing(key, "an integer") }
    return value
  }

  func integer(_ key: String, default fallback: Int) throws(ModelSpecError) -> Int {
    try integerIfPresent(key) ?? fallback
  }

  func integerIfPresent(_ key: String) throws(ModelSpecError) -> Int? {
    guard let value = value(key) else { return nil }
    guard case .integer(let integer) = value else { throw mismatch(key, value, "an integer") }
    return integer
  }

  func double(_ key: String) throws(ModelSpecError) -> Double {
    guard let value = try doubleIfPresent(key) else { throw missing(key, "a number") }
    return value
  }

  func double(_ key: String, default fallback: Double) throws(ModelSpecError) -> Double {
    try doubleIfPresent(key) ?? fallback
  }

  func doubleIfPresent(_ key: String) throws(ModelSpecError) -> Double? {
    switch value(key) {
    case nil: return nil
    case .integer(let integer): return Double(integer)
    case .number(let number): return number
    case let other?: throw mismatch(key, other, "a number")
    }
  }

  func bool(_ key: String, default fallback: Bool) throws(ModelSpecError) -> Bool {
    guard let value = value(key) else { return fallback }
    guard case .bool(let bool) = value else { throw mismatch(key, value, "true or false") }
    return bool
  }

  func string(_ key: String) throws(ModelSpecError) -> String? {
    guard let value = value(key) else { return nil }
    guard case .string(let string) = value else { throw mismatch(key, value, "a string") }
    return string
  }

  func object(_ key: String) throws(ModelSpecError) -> ConfigObject? {
    guard let value = value(key) else { return nil }
    guard case .object(let members) = value else { throw mismatch(key, value, "an object") }
    return ConfigObject(
      source: source, path: path.isEmpty ? key : "\(path).\(key)", members: members)
  }

  /// Refuses any value but `expected`; an absent key means it.
  func require(_ key: String, _ expected: JSONValue, _ why: String) throws(ModelSpecError) {
    guard let value = value(key), value != expected else { return }
    throw error(key, "\(value) is not supported: \(why); \(expected) is")
  }

  private func missing(_ key: String, _ expected: String) -> ModelSpecError {
    error(key, "missing; \(expected) is needed")
  }

  private func mismatch(
    _ key: String, _ found: JSONValue, _ expected: String
  ) -> ModelSpecError {
    error(key, "found \(found) where \(expected) is needed")
  }
}
