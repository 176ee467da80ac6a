// Arbitrary bytes never crash or hang the reader: 100,000 mutations of the shipped file, each of
// which is read or refused with a message, the same ones in every run.

import RunConfiguration
import Testing

@Suite struct FuzzTests {
  @Test func mutatedFilesAreReadOrRefused() throws {
    let shipped = Array(try repositoryFile("cluster.yaml").utf8)
    // Without comments a mutation more often hits something that matters.
    let dense = Array(RunConfiguration().resolvedYAML().utf8)
    let every = Array(try repositoryFile("Tests/Fixtures/configuration/every-key.yaml").utf8)
    let seeds = [dense, every, dense, every, shipped]
    var random = SplitMix64(seed: 2412_19437)
    var accepted = 0
    for round in 0..<100_000 {
      let bytes = mutated(seeds[round % seeds.count], using: &random)
      do {
        let configuration = try RunConfiguration.read(bytes: bytes, file: "f")
        accepted += 1
        if round % 50 == 0 {
          let text = Array(configuration.resolvedYAML().utf8)
          #expect(try RunConfiguration.read(bytes: text, file: "f") == configuration)
        }
      } catch {
        if error.exitCode != 78 || error.problem.isEmpty || error.description.count > 2000 {
          Issue.record("round \(round): \(error.description)")
        }
      }
    }
    // Both happen, or the mutations prove nothing.
    #expect(accepted > 5_000 && accepted < 95_000)
  }

  @Test func mutatedOverridesAreReadOrRefused() {
    var random = SplitMix64(seed: 17)
    let seeds = [
      "layout={pipeline: 2, data: 1, expert: 1}", "data.sources=[docs, 'a b']",
      "training.learning_rate=1e-3", "cluster.network.nic=400 Gbps",
      "cluster.faults={slow_gpus: [5:0.8, 6: 2], dead_nics: [3]}",
      "model.dimensions.query_compression=none",
    ].map { Array($0.utf8) }
    for round in 0..<20_000 {
      let bytes = mutated(seeds[round % seeds.count], using: &random)
      let override = String(decoding: bytes, as: UTF8.self)
      do {
        _ = try RunConfiguration.read(bytes: [], file: "f", overrides: [override])
      } catch {
        if error.description.isEmpty { Issue.record("round \(round): no message") }
      }
    }
  }

  /// One to four random changes: bytes replaced, inserted or removed, runs copied, moved or cut
  /// off, pieces of YAML syntax put in.
  private func mutated(_ seed: [UInt8], using random: inout SplitMix64) -> [UInt8] {
    let tokens = [
      ": ", "- ", "[", "]", "{", "}", ",", "\"", "'", "#", "&a", "*a", "!!int ", "|\n", ">\n",
      "\t", "\n", "\r", "---\n", "...\n", "? ", "%YAML 1.1\n", "\\u0000", "\u{FEFF}", "<<: ",
      "99999999999999999999", " GB/s", "us", ":0.5", "-1", "1e400", "default", "none",
    ]
    var bytes = seed
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let at = Int.random(in: 0...bytes.count, using: &random)
      let length = Int.random(in: 0...min(64, bytes.count - at), using: &random)
      let run = bytes[at..<(at + length)]
      switch Int.random(in: 0..<8, using: &random) {
      case 0 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
      case 2: bytes.removeSubrange(at..<(at + length))
      case 3: bytes.insert(contentsOf: run, at: Int.random(in: 0...bytes.count, using: &random))
      case 4 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 5 where Int.random(in: 0..<8, using: &random) == 0:
        bytes.removeSubrange(at...)
      default:
        bytes.insert(contentsOf: tokens.randomElement(using: &random)?.utf8 ?? "".utf8, at: at)
      }
    }
    return bytes
  }
}
