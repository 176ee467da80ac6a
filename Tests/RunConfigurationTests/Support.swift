// What the tests of this room share: files of the repository, the error of a configuration, and
// a repeatable source of random numbers.

import Glibc
import RunConfiguration
import Testing

/// The text of a file, by its path from the top of the repository.
func repositoryFile(_ path: String, from here: String = #filePath) throws -> String {
  let top = here.split(separator: "/").dropLast(3).joined(separator: "/")
  let file = try #require(fopen("/" + top + "/" + path, "r"), "\(path) is missing")
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = fread(&chunk, 1, chunk.count, file)
    if count == 0 { break }
    bytes += chunk[..<count]
  }
  return String(decoding: bytes, as: UTF8.self)
}

/// The configuration of a text, as if it stood in cluster.yaml.
func configuration(
  _ text: String = "", set overrides: [String] = []
) throws(ConfigurationError) -> RunConfiguration {
  try RunConfiguration.read(
    bytes: Array(text.utf8), file: "cluster.yaml", overrides: overrides)
}

/// The message with which a configuration is refused.
func refusal(_ text: String = "", set overrides: [String] = []) -> String {
  do {
    _ = try configuration(text, set: overrides)
    return "accepted"
  } catch {
    return error.description
  }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same numbers from the same seed anywhere.
struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
