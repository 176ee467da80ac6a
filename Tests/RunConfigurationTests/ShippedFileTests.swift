// The shipped cluster.yaml and docs/configuration.md against the schema: neither may fall behind
// the code.

import RunConfiguration
import Testing

@Suite struct ShippedFileTests {
  @Test func shippedFileGivesExactlyTheDefaults() throws {
    #expect(try configuration(repositoryFile("cluster.yaml")) == RunConfiguration())
  }

  /// A commented key looks like `    # hidden: default    # size …`.
  @Test func keysInCommentsOfTheShippedFileAreDefaultsToo() throws {
    let alternatives = ["path:", "file:"]
    let lines = try repositoryFile("cluster.yaml").split(separator: "\n").map { line in
      let text = line.drop { $0 == " " }
      let indent = String(repeating: " ", count: line.count - text.count)
      guard text.hasPrefix("# "), !indent.isEmpty else { return String(line) }
      let body = text.dropFirst(2)
      return alternatives.contains { body.hasPrefix($0) } ? String(line) : indent + body
    }
    #expect(try configuration(lines.joined(separator: "\n")) == RunConfiguration())
  }

  @Test(arguments: RunConfiguration.schema.map(\.path))
  func shippedFileExplainsEveryKey(path: String) throws {
    var rest = try repositoryFile("cluster.yaml").split(separator: "\n")[...]
    for (depth, name) in path.split(separator: ".").enumerated() {
      let indent = String(repeating: " ", count: 2 * depth)
      let line = rest.firstIndex {
        $0.hasPrefix(indent + name + ":") || $0.hasPrefix(indent + "# " + name + ":")
      }
      rest = rest[(try #require(line, "\(path) is not in cluster.yaml"))...].dropFirst()
    }
  }

  /// The row of the documentation's table that a key must have.
  static func row(_ key: SettingKey) -> String {
    let value = key.defaultValue.map { "`\($0.yaml)`" } ?? ""
    return "| `\(key.path)` | \(value) | \(key.unit) | \(key.expects) | \(key.meaning) |"
  }

  @Test func documentationHasTheRowOfEveryKey() throws {
    let lines = Set(try repositoryFile("docs/configuration.md").split(separator: "\n"))
    for key in RunConfiguration.schema {
      let row = Self.row(key)
      #expect(lines.contains(row[...]), "docs/configuration.md lacks the row: \(row)")
    }
  }

  @Test func documentationKnowsNoOtherKeys() throws {
    let known = Set(RunConfiguration.schema.map(Self.row))
    let rows = try repositoryFile("docs/configuration.md").split(separator: "\n")
      .filter { $0.hasPrefix("| `") }
    for row in rows { #expect(known.contains(String(row)), "row of no key: \(row)") }
  }

  /// The examples of the documentation are fenced as yaml and complete in themselves.
  @Test func yamlExamplesOfTheDocumentationAreAccepted() throws {
    let parts = try repositoryFile("docs/configuration.md").components(separatedBy: "```yaml\n")
    #expect(parts.count > 3)
    for part in parts.dropFirst() {
      let example = part.components(separatedBy: "```")[0]
      #expect(refusal(example) == "accepted", "\(example)")
    }
  }
}

extension String {
  /// The parts between the occurrences of a separator.
  func components(separatedBy separator: String) -> [String] {
    split(separator: separator, omittingEmptySubsequences: false).map(String.init)
  }
}
