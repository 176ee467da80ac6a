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

/// A reference order: a file, and what to make it with.
struct Reference: Sendable, CustomTestStringConvertible {
  /// The file's name without `.csv`: `dualpipe_pp8_mb20`.
  var stem: String
  /// The generator that gives this order; nil for orders that are only analysed.
  var generator: String?
  var ranks: Int
  var microbatches: Int
  var chunks: Int

  var testDescription: String { stem }

  static let all: [Reference] = {
    let table = (try? Fixtures.table("reference/orders.tsv")) ?? []
    return table.compactMap { row in
      guard let ranks = Int(row[2]), let microbatches = Int(row[3]), let chunks = Int(row[4]) else {
        return nil
      }
      return Reference(
        stem: row[0], generator: row[1] == "-" ? nil : row[1], ranks: ranks,
        microbatches: microbatches, chunks: chunks)
    }
  }()

  /// Those that a generator gives.
  static let generated = all.filter { $0.generator != nil }

  func make() throws -> Schedule {
    let name = try #require(generator)
    return try ScheduleCatalog.make(
      name: name, ranks: ranks, microbatches: microbatches, chunks: max(chunks, 2))
  }
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
