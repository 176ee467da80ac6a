// The whole configuration written out: as YAML that reads back to an equal value (config.yaml of
// a run directory, `dsv3 config`) and as JSON.

extension RunConfiguration {
  /// Every key in force with its value, in the schema's order.
  package var settings: [(key: SettingKey, value: SettingValue)] {
    Self.schema.compactMap { key in key.value(self).map { (key, $0) } }
  }

  /// Complete YAML that loads again to an equal value.
  /// - Parameter markNonDefaults: adds a comment with the default to each line that differs.
  package func resolvedYAML(markNonDefaults: Bool = false) -> String {
    var lines: [String] = []
    var open: [String] = []
    for (key, value) in settings {
      let names = key.path.split(separator: ".").map(String.init)
      let sections = Array(names.dropLast())
      let shared = zip(open, sections).prefix { $0 == $1 }.count
      for depth in shared..<max(shared, sections.count) {
        lines.append(indentation(depth) + sections[depth] + ":")
      }
      open = sections
      var line = indentation(sections.count) + (names.last ?? "") + ": " + value.yaml
      if markNonDefaults, value != key.defaultValue {
        line += "  # " + (key.defaultValue.map { "default: " + $0.yaml } ?? "not the default")
      }
      lines.append(line)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Every key in force as one JSON object, nested as in the YAML; null for what is not given.
  package var resolvedJSON: String {
    var text = "{"
    var open: [String] = []
    var isFirst = true
    for (key, value) in settings {
      let names = key.path.split(separator: ".").map(String.init)
      let sections = Array(names.dropLast())
      let shared = zip(open, sections).prefix { $0 == $1 }.count
      text += String(repeating: "}", count: open.count - shared)
      if !isFirst { text += ", " }
      for section in sections[shared...] { text += "\"\(section)\": {" }
      text += "\"\(names.last ?? "")\": " + value.json
      open = sections
      isFirst = false
    }
    return text + String(repeating: "}", count: open.count) + "}"
  }

  private func indentation(_ depth: Int) -> String { String(repeating: "  ", count: depth) }
}
