// metrics.jsonl of a run while it grows: each look takes the lines that have been finished since.

internal import Glibc
internal import JSON

/// The figures of one step that are read back.
package struct StepMetrics: Equatable, Sendable, Decodable {
  package var step: Int
  package var tokens: Int
  /// Nats a token, of the main model.
  package var loss: Double
  package var wallSeconds: Double

  package init(step: Int, tokens: Int, loss: Double, wallSeconds: Double) {
    self.step = step
    self.tokens = tokens
    self.loss = loss
    self.wallSeconds = wallSeconds
  }

  private enum CodingKeys: String, CodingKey {
    case step, tokens, loss
    case wallSeconds = "wall_seconds"
  }
}

package struct MetricsReader {
  private let path: String
  private var offset = 0
  private var pending: [UInt8] = []
  /// All steps read so far.
  package private(set) var steps: [StepMetrics] = []

  package init(path: String) { self.path = path }

  /// Reads what has been added; a file that isn't there yet has nothing.
  /// - Throws: `ComparisonError.badData` for a line that is none of metrics.jsonl, or not the step
  ///   that follows.
  package mutating func update() throws(ComparisonError) {
    guard let file = fopen(path, "re") else { return }
    defer { fclose(file) }
    guard fseek(file, offset, SEEK_SET) == 0 else { return }
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
      offset += count
      pending += chunk[..<count]
    }
    while let newline = pending.firstIndex(of: UInt8(ascii: "\n")) {
      try take(Array(pending[..<newline]))
      pending.removeFirst(newline + 1)
    }
  }

  private mutating func take(_ line: [UInt8]) throws(ComparisonError) {
    let record: StepMetrics
    do {
      record = try JSONValue.decode(StepMetrics.self, from: line)
    } catch {
      throw .badData("\(path), line \(steps.count + 1): \(error.reason)")
    }
    guard record.step == steps.count + 1 else {
      throw .badData("\(path), line \(steps.count + 1): it is of step \(record.step)")
    }
    steps.append(record)
  }
}
