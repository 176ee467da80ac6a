// The bubble that a schedule's authors publish, beside the one that is measured, and when the two
// are the same. Conditions are those under which the formula is exact, found by trying (and held by
// a test); outside them it is an estimate.

/// A published formula for the idle time of a rank, evaluated.
package struct BubbleFormula: Hashable, Sendable {
  /// What it counts.
  package enum Convention: String, Hashable, Sendable {
    /// Makespan − busy: all ranks wait for each other at the end of the step.
    case makespan
    /// Idle between a rank's own first start and last end: the next step may begin early.
    case span
  }

  /// The formula, in the letters of its source; F, I, W are times of a chunk, B = I + W.
  package let text: String
  package let source: String
  package let convention: Convention
  /// The value for the times given.
  package let value: Int
  /// The ranks that it is about.
  package let ranks: [Int]
  /// What must hold for it to be exact.
  package let condition: String
  /// Whether that holds here.
  package let applies: Bool

  /// What the analysis measured in the formula's convention, on the formula's ranks.
  package func measured(_ analysis: ScheduleAnalysis) -> [Int] {
    let idle = convention == .makespan ? analysis.bubble : analysis.bubbleInSpan
    return ranks.map { idle[$0] }
  }

  /// The formula published for the schedule of this name; nil where there is none, or for times
  /// that differ between stages.
  package init?(for schedule: Schedule, times: ChunkTimes) {
    guard case .uniform(let forward) = times.forward, case .uniform(let input) = times.input,
      case .uniform(let weight) = times.weight
    else { return nil }
    let shape = FormulaShape(
      ranks: schedule.ranks, microbatches: schedule.microbatches, forward: forward, input: input,
      weight: weight, pair: times.overlapped ?? forward + input + weight)
    guard var entry = shape.entry(of: schedule.name) else { return nil }
    if times.transfer != 0 {
      entry.applies = false
      entry.condition += ", transfer = 0"
    }
    text = entry.text
    source = entry.source
    convention = entry.convention
    value = entry.value
    ranks = entry.ranks ?? Array(0..<schedule.ranks)
    condition = entry.condition
    applies = entry.applies
  }
}

/// Numbers that formulas are made of.
private struct FormulaShape {
  let ranks: Int
  let microbatches: Int
  let forward: Int
  let input: Int
  let weight: Int
  let pair: Int

  struct Entry {
    var text: String
    var source: String
    var convention = BubbleFormula.Convention.makespan
    var value: Int
    /// Nil for all.
    var ranks: [Int]?
    var condition: String
    var applies: Bool
  }

  private var backward: Int { input + weight }
  private var isFull: Bool { microbatches >= 2 * ranks - 1 }

  func entry(of name: String) -> Entry? {
    switch name {
    case "gpipe", "1f1b":
      Entry(
        text: "(P − 1)(F + B)", source: "Narayanan et al. 2021, arXiv 2104.04473, section 2.2.1",
        value: (ranks - 1) * (forward + backward), condition: "any times", applies: true)
    case "interleaved":
      Entry(
        text: "(P − 1)(F + B)", source: "Narayanan et al. 2021, arXiv 2104.04473, section 2.2.2",
        value: (ranks - 1) * (forward + backward), condition: "m ≥ P",
        applies: microbatches >= ranks)
    case "zb1p":
      Entry(
        text: "(P − 1)(F + I − W)", source: "Qi et al. 2023, arXiv 2401.10241, table 2",
        value: (ranks - 1) * (forward + input - weight), condition: "W ≤ F, W ≤ I, m ≥ P",
        applies: weight <= forward && weight <= input && microbatches >= ranks)
    case "zb-h2", "zb-v": zeroBubble
    case "dualpipe", "dualpipev": dualPipe(isFolded: name == "dualpipev")
    case "chimera":
      Entry(
        text: "(P − 2) max(F, B)", source: "Li & Hoefler 2021, arXiv 2107.06925, section 3.1",
        value: (ranks - 2) * max(forward, backward), condition: "m = P",
        applies: microbatches == ranks)
    default: nil
    }
  }

  private var zeroBubble: Entry {
    Entry(
      text: "0", source: "Qi et al. 2023, arXiv 2401.10241, table 2", convention: .span, value: 0,
      condition: "F = I = W, m ≥ 2P − 1",
      applies: forward == input && input == weight && isFull)
  }

  /// Table 2 of the report has PP for the pipe's length: P of DualPipe, 2P of DualPipeV.
  private func dualPipe(isFolded: Bool) -> Entry {
    let half = isFolded ? ranks : ranks / 2
    return Entry(
      text: isFolded ? "(P − 1)(F&B + B − 3W)" : "(P/2 − 1)(F&B + B − 3W)",
      source: "DeepSeek-V3 report, arXiv 2412.19437, table 2",
      value: (half - 1) * (pair + backward - 3 * weight),
      ranks: isFolded ? [ranks - 1] : [half - 1, half],
      condition: "F = I, W ≤ F, B ≤ F&B ≤ F + B; on the ranks in the middle",
      applies: forward == input && weight <= forward && backward <= pair
        && pair <= forward + backward)
  }
}
