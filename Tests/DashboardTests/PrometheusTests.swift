// /metrics, read by a parser of its own: the grammar of the text format 0.0.4 and what
// `promtool check metrics` asks of names.

import Dashboard
import Glibc
import RunFiles
import Testing

@Suite struct PrometheusTests {
  @Test func figuresAreThoseOfTheFiles() throws {
    let fixture = try RunsFixture()
    let strange = "a \"b\"\\c"
    #expect(rename(fixture.path + "/first", fixture.path + "/" + strange) == 0)
    let dashboard = try serving(fixture)
    let reply = try RawClient(port: dashboard.port).get("/metrics")
    #expect(reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    let read = try PrometheusReading(reply.text)
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
      read.samples[.init(name: name, labels: labels.merging(["run": strange]) { $1 })]
    }
    #expect(value("dsv3_step") == 2 && value("dsv3_planned_steps") == 4)
    #expect(value("dsv3_loss") == 4.25 && value("dsv3_learning_rate") == 1e-5)
    #expect(value("dsv3_tokens_total") == 1024 && value("dsv3_tokens_per_second") == 1024)
    #expect(value("dsv3_virtual_step_seconds") == 4.361131386311)
    #expect(value("dsv3_bubble_ratio") == 0.002 && value("dsv3_mfu_ratio") == 0.15)
    #expect(value("dsv3_restarts_total") == 0 && value("dsv3_failures_total") == 1)
    #expect(value("dsv3_memory_bytes", ["rank": "1", "kind": "tensors"]) == 1001)
    #expect(value("dsv3_memory_bytes", ["rank": "0", "kind": "resident"]) == 2000)
    #expect(value("dsv3_link_bytes", ["link": "nvlink"]) == 77)
    #expect(read.samples[.init(name: "dsv3_runs", labels: [:])] == 1)
    // What no line has makes no sample.
    #expect(value("dsv3_balance_loss") == nil)
  }
}

/// The text taken apart; throws what is against the format or the naming rules.
private struct PrometheusReading {
  struct Series: Hashable {
    var name: String
    var labels: [String: String]
  }

  struct Violation: Error { var line: Substring }

  private(set) var samples: [Series: Double] = [:]

  init(_ text: String) throws {
    guard text.hasSuffix("\n") else { throw Violation(line: text.suffix(20)) }
    var family: (name: Substring, type: Substring?)?
    var families: Set<Substring> = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      let words = line.split(separator: " ", maxSplits: 3)
      if line.hasPrefix("# HELP ") {
        guard words.count == 4, families.insert(words[2]).inserted else {
          throw Violation(line: line)
        }
        family = (words[2], nil)
      } else if line.hasPrefix("# TYPE ") {
        guard words.count == 4, words[2] == family?.name, family?.type == nil,
          ["counter", "gauge"].contains(words[3]),
          (words[3] == "counter") == words[2].hasSuffix("_total")
        else { throw Violation(line: line) }
        family?.type = words[3]
      } else {
        let (series, value) = try Self.sample(line)
        guard family?.type != nil, let name = family?.name, series.name == name,
          samples.updateValue(value, forKey: series) == nil
        else { throw Violation(line: line) }
      }
    }
  }

  private static func sample(_ line: Substring) throws -> (Series, Double) {
    let name = line.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
    guard name.wholeMatch(of: /[a-z_][a-z0-9_]*/) != nil else { throw Violation(line: line) }
    var rest = line.dropFirst(name.count)
    var labels: [String: String] = [:]
    if rest.first == "{" {
      repeat {
        rest = rest.dropFirst()
        guard let match = rest.prefixMatch(of: /([a-z_]+)="((?:[^"\\]|\\["\\n])*)"/) else {
          throw Violation(line: line)
        }
        let value = match.output.2.replacing("\\\"", with: "\"").replacing("\\\\", with: "\\")
        labels[String(match.output.1)] = String(value)
        rest = rest[match.range.upperBound...]
      } while rest.first == ","
      guard rest.first == "}" else { throw Violation(line: line) }
      rest = rest.dropFirst()
    }
    guard rest.first == " ", let value = Double(rest.dropFirst()) else {
      throw Violation(line: line)
    }
    return (Series(name: String(name), labels: labels), value)
  }
}
