// The resolved configuration reads back to the same value, in YAML, whatever the texts and
// numbers in it are.

import ModelSpec
import RunConfiguration
import Testing

@Suite struct ResolvedTests {
  @Test(arguments: ["", "every-key"])
  func resolvedConfigurationReadsBackToItself(fixture: String) throws {
    let text =
      fixture.isEmpty ? "" : try repositoryFile("Tests/Fixtures/configuration/\(fixture).yaml")
    let original = try configuration(text)
    for marked in [false, true] {
      let written = original.resolvedYAML(markNonDefaults: marked)
      #expect(try configuration(written) == original, "\(written)")
    }
  }

  @Test func valuesThatAreNotDefaultsAreMarked() throws {
    let read = try configuration(
      "", set: ["layout.data=8", "model.path=m", "training.epsilon=2e-7"])
    let lines = read.resolvedYAML(markNonDefaults: true).split(separator: "\n")
    let marked = lines.filter { $0.contains("#") }
    #expect(
      marked == [
        "  path: m  # not the default",
        "  data: 8  # default: 4",
        "  epsilon: 2.0e-07  # default: 1.0e-08",
      ])
    #expect(!lines.contains { $0.hasPrefix("  preset: dsv3") })
  }

  /// Every line of the resolved default is a key with its default, sections apart.
  @Test func resolvedConfigurationHasEveryKeyInForce() {
    let lines = RunConfiguration().resolvedYAML().split(separator: "\n")
    let values = lines.filter { !$0.hasSuffix(":") }
    // Of model.preset and model.path, and of schedule.name and schedule.file, one is in force.
    #expect(values.count == RunConfiguration.schema.count - 2)
    #expect(lines.first == "model:")
    #expect(lines.contains("    convention: released"))
  }

  /// Texts that some YAML reader takes for something else, or that need escapes.
  @Test(arguments: [
    "true", "No", "null", "~", "none", "default", "balanced", "12", "1e5", "0x10", "1_000", ".5",
    ".inf", "-x", "- x", "a: b", "a #b", "#b", "[a", "a]", "{a}", "*a", "&a", "!a", "%a", "@a",
    "`a`", "'", "\"", "\\", "a\nb", "\t", " a ", "é", "日本", "👩‍🚀", "\u{85}", "\u{2028}",
    "\u{FEFF}", "\u{7F}", "\u{1}", "\u{FFFF}", "\u{10FFFF}", "?", ":", "-", "..", "../x", "./x",
    "/abs/path-1_2.txt", "1f1b", "a,b",
  ])
  func anyTextReadsBackToItself(text: String) throws {
    var original = RunConfiguration()
    original.dataSources = [text, text]
    original.runDirectory = text
    original.modelSource = .path(text)
    let read = try configuration(original.resolvedYAML(markNonDefaults: true))
    #expect(read == original, "\(original.resolvedYAML())")
    #expect(read.dataSources == [text, text])
  }

  @Test func randomNumbersAndTextsReadBackToThemselves() throws {
    var random = SplitMix64(seed: 5)
    for _ in 0..<500 {
      var original = RunConfiguration()
      let bits = Double(bitPattern: random.next() & 0x7FFF_FFFF_FFFF_FFFF)
      original.plan.learningRate = bits.isFinite ? bits : 0.1
      original.plan.beta1 = Double.random(in: 0..<1, using: &random)
      original.plan.seed = random.next()
      let scalars = (0..<8).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 1...0x2FFF, using: &random))
      }
      original.dataSources = ["x" + String(String.UnicodeScalarView(scalars))]
      let read = try configuration(original.resolvedYAML())
      #expect(read == original)
      #expect(read.dataSources == original.dataSources)
      #expect(read.plan == original.plan)
    }
  }

  @Test func jsonNestsAsTheFileDoes() throws {
    let read = try configuration("data: {sources: ['a\"b']}\nlayout: {stages: [1, 2]}")
    let json = read.resolvedJSON
    #expect(
      json.hasPrefix("{\"model\": {\"preset\": \"dsv3-mini\", \"charge_as\": \"deepseek-v3\""))
    #expect(json.contains("\"mtp\": {\"depth\": 1, \"convention\": \"released\"}, \"vocabulary\""))
    #expect(json.contains("\"stages\": [1, 2]"))
    #expect(json.contains("}, \"precision\": \"fp32\", \"low_precision\": {\"accumulation\""))
    #expect(json.contains("\"sources\": [\"a\\\"b\"]"))
    #expect(json.hasSuffix("\"run\": {\"directory\": null}}"))
    // JSON is YAML's flow style, so its own reader can check it; null stands for "not given".
    #expect(try configuration(json) == read)
  }
}
