// metrics.jsonl of a run while it grows: each look takes the lines that have been finished since,
// and starts over when the file was cut or replaced.

internal import JSON

package struct MetricsReader: Sendable {
  private var tail: LineTail
  /// All steps read so far.
  package private(set) var steps: [StepMetrics] = []
  /// Lines of the file so far, also of those that were left out.
  private var lines = 0

  package init(path: String) { tail = LineTail(path: path) }

  /// When the file was last written, in seconds since 1970; nil when it wasn't there.
  package var written: Double? { tail.written }

  /// Reads what has been added; a file that isn't there yet has nothing.
  /// - Throws: `ComparisonError.badData` for a line that is none of metrics.jsonl, or not the step
  ///   that follows.
  package mutating func update() throws(ComparisonError) {
    for line in news() {
      lines += 1
      let record: StepMetrics
      do {
        record = try StepMetrics(line: line)
      } catch {
        throw .badData("\(tail.path), line \(lines): \(error.reason)")
      }
      guard record.step == steps.count + 1 else {
        throw .badData("\(tail.path), line \(lines): it is of step \(record.step)")
      }
      steps.append(record)
    }
  }

  /// As `update`, for whoever only looks: a line that can't be read is left out, and one of a step
  /// that was there before replaces it and all after it.
  package mutating func follow() {
    for line in news() {
      lines += 1
      guard let record = try? StepMetrics(line: line) else { continue }
      if let last = steps.last, record.step <= last.step {
        steps.removeLast(steps.reversed().prefix { $0.step >= record.step }.count)
      }
      steps.append(record)
    }
  }

  private mutating func news() -> [[UInt8]] {
    let news = tail.read()
    if news.isAnew { (steps, lines) = ([], 0) }
    return news.lines
  }
}
