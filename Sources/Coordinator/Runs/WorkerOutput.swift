// What a worker says about its run and writes to no file: how much text it has, its held-out loss,
// and where it diverged.

/// Filled line by line.
package struct WorkerOutput: Equatable, Sendable {
  /// Tokens to train on, and held out.
  package private(set) var trainingTokens: Int?
  package private(set) var heldOutTokens: Int?
  /// After training, in nats a token; nil without held-out text or when it is not finite.
  package private(set) var heldOutLoss: Double?
  /// The step whose loss or gradient was not finite.
  package private(set) var divergedAt: Int?
  /// The last lines of standard error.
  package private(set) var lastErrors: [String] = []

  private static let errorsKept = 12

  package init() {}

  package mutating func read(output line: String) {
    let words = line.split(separator: " ")
    if line.hasPrefix("text: "), words.count >= 8 {
      (trainingTokens, heldOutTokens) = (Int(words[1]), Int(words[6]))
    } else if line.hasPrefix("Held-out loss: "), words.count > 2 {
      heldOutLoss = Double(words[2]).flatMap { $0.isFinite ? $0 : nil }
    }
  }

  package mutating func read(error line: String) {
    let words = line.split(separator: " ")
    if line.contains(": the loss is "), let place = words.firstIndex(of: "step"),
      place + 1 < words.count
    {
      divergedAt = Int(words[place + 1].dropLast())
    }
    lastErrors.append(line)
    if lastErrors.count > Self.errorsKept { lastErrors.removeFirst() }
  }

  /// Lines to show when the worker failed: its own, without what mpirun adds, if it said any.
  package var complaint: [String] {
    let own = lastErrors.filter { $0.hasPrefix("dsv3-worker: ") || $0.hasPrefix("rank ") }
    return own.isEmpty ? lastErrors.filter { !$0.isEmpty } : own
  }
}
