// Reads the files in Tests/Fixtures/schedules, found relative to this source file, and names the
// shapes that have a reference order there.

import FoundationEssentials
import Schedules
import Testing

/// The fixture files of this room.
enum Fixtures {
  private static let root: String = {
    var parts = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(2)
    return parts.joined(separator: "/") + "/Fixtures/schedules/"
  }()

  static func bytes(_ path: String) throws -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: root + path) else {
      throw MissingFixture(path: path)
    }
    return Array(data)
  }

  static func text(_ path: String) throws -> String {
    String(decoding: try bytes(path), as: UTF8.self)
  }

  /// Lines of a table without its head, split at tabs.
  static func table(_ path: String) throws -> [[String]] {
    try text(path).split(separator: "\n").dropFirst().map { line in
      line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
  }

  struct MissingFixture: Error {
    var path: String
  }
}

/// A shape of a reference file: `dualpipe_pp8_mb20`.
struct Reference: Sendable, CustomTestStringConvertible {
  var name: String
  var ranks: Int
  var microbatches: Int

  var stem: String { "\(name)_pp\(ranks)_mb\(microbatches)" }
  var testDescription: String { stem }

  /// From a stem.
  init?(_ stem: some StringProtocol) {
    let parts = stem.split(separator: "_")
    guard parts.count == 3, let ranks = Int(parts[1].dropFirst(2)),
      let microbatches = Int(parts[2].dropFirst(2))
    else { return nil }
    name = String(parts[0])
    self.ranks = ranks
    self.microbatches = microbatches
  }

  static let all: [Reference] = [
    "gpipe_pp2_mb2", "gpipe_pp2_mb4", "gpipe_pp2_mb8", "gpipe_pp4_mb4", "gpipe_pp4_mb8",
    "gpipe_pp4_mb10", "gpipe_pp4_mb16", "gpipe_pp8_mb8", "gpipe_pp8_mb16",
    "1f1b_pp2_mb2", "1f1b_pp2_mb4", "1f1b_pp2_mb8", "1f1b_pp4_mb4", "1f1b_pp4_mb8",
    "1f1b_pp4_mb10", "1f1b_pp4_mb16", "1f1b_pp8_mb8", "1f1b_pp8_mb16", "1f1b_pp8_mb20",
    "dualpipe_pp2_mb4", "dualpipe_pp4_mb8", "dualpipe_pp4_mb10", "dualpipe_pp6_mb12",
    "dualpipe_pp8_mb16", "dualpipe_pp8_mb20",
  ].compactMap { Reference($0) }
}

/// The error that `body` throws, or nil.
func scheduleError(_ body: () throws(ScheduleError) -> Void) -> ScheduleError? {
  do {
    try body()
    return nil
  } catch {
    return error
  }
}
