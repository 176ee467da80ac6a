// What `dsv3 numerics compare` says on standard error while it trains: a line for each run that
// ends, and on a terminal one that is rewritten.

import CSystem
import Coordinator
import Glibc

final class CompareProgress {
  private let plan: ComparisonPlan
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var isShown = false

  init(_ plan: ComparisonPlan) { self.plan = plan }

  func take(_ event: ComparisonEvent) {
    switch event {
    case .ended(let run):
      clear()
      complain(line(run))
    case .progress(let active, let ended):
      guard isTerminal, !active.isEmpty else { return }
      let runs = active.map { run, metrics in
        "\(run.name) \(metrics.count)/\(plan.steps)"
          + (metrics.last.map { " loss \(fixed($0.loss, 3))" } ?? "")
      }
      let text = "\(ended) of \(plan.runs.count) runs done; " + runs.joined(separator: ", ")
      fputs("\r" + String(text.prefix(Terminal.width - 1)) + "\u{1B}[K", dsv3_stderr())
      fflush(dsv3_stderr())
      isShown = true
    }
  }

  /// Takes the line away that is rewritten.
  func clear() {
    if isShown { fputs("\r\u{1B}[K", dsv3_stderr()) }
    isShown = false
  }

  private func line(_ run: ComparedRun) -> String {
    let name = run.run.name + ": "
    let again = run.wasThere ? " (trained before)" : ""
    if let step = run.outcome.divergedAt { return name + "diverged at step \(step)" + again }
    return name + "\(run.metrics.count) steps, loss \(fixed(run.finalLoss ?? .nan, 4))"
      + (run.outcome.heldOutLoss.map { ", held out \(fixed($0, 4))" } ?? "") + again
  }
}
