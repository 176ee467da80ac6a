// The logs of a run as one stream: what each rank wrote to its own file, the job's output where it
// is kept, and the events, with who said it.

internal import JSON
package import RunFiles

package struct RunLogs {
  package enum Source: Equatable, Sendable {
    case rank(Int)
    /// What the worker printed, as far as its coordinator kept it.
    case output
    case events

    package var label: String {
      switch self {
      case .rank(let rank): "rank \(rank)"
      case .output: "output"
      case .events: "events"
      }
    }
  }

  package struct Line: Equatable, Sendable {
    package var source: Source
    package var text: String
  }

  private let directory: RunDirectory
  private let ranks: [Int]?
  private let withEvents: Bool
  private var tails: [(source: Source, tail: LineTail)] = []

  /// - Parameters:
  ///   - ranks: whose logs; nil: all ranks' and the job's output.
  ///   - withEvents: what happened to the job, too.
  package init(_ directory: RunDirectory, ranks: [Int]? = nil, withEvents: Bool = false) {
    self.directory = directory
    self.ranks = ranks
    self.withEvents = withEvents
  }

  /// Ranks that have a log, in order.
  package static func ranks(of directory: RunDirectory) -> [Int] {
    RunFolder.names(in: directory.path + "/ranks").compactMap { name in
      guard name.hasPrefix("rank-"), name.hasSuffix(".log") else { return nil }
      return Int(name.dropFirst("rank-".count).dropLast(".log".count))
    }.sorted()
  }

  /// Where the job's output is kept.
  package static func output(of directory: RunDirectory) -> String {
    directory.path + "/output.log"
  }

  /// Finished lines that were added since the last look, source by source. A file that was cut and
  /// written again, as by a run that starts anew, is told from its first line.
  package mutating func news() -> [Line] {
    addSources()
    return tails.indices.flatMap { index in
      tails[index].tail.read().lines.flatMap { bytes in
        Self.texts(bytes, tails[index].source).map { Line(source: tails[index].source, text: $0) }
      }
    }
  }

  /// Files may come while somebody follows.
  private mutating func addSources() {
    var wanted = (ranks ?? Self.ranks(of: directory)).map {
      (source: Source.rank($0), path: directory.rankLog($0))
    }
    if ranks == nil { wanted.insert((.output, Self.output(of: directory)), at: 0) }
    if withEvents { wanted.insert((.events, directory.events), at: 0) }
    for (source, path) in wanted where !tails.contains(where: { $0.source == source }) {
      tails.append((source, LineTail(path: path)))
    }
  }

  private static func texts(_ bytes: [UInt8], _ source: Source) -> [String] {
    guard source == .events else { return [String(decoding: bytes, as: UTF8.self)] }
    guard let event = try? JSONValue.decode(RunEvent.self, from: bytes) else { return [] }
    return [RunLines.event(event)] + event.details.map { "  " + $0 }
  }
}
