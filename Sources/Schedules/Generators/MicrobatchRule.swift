// How many micro-batches a schedule takes on given ranks: what a batch-size ramp rounds to, and
// what a generator refuses by.

/// The numbers of micro-batches a schedule can do on given ranks.
package struct MicrobatchRule: Hashable, Sendable {
  /// Least number of micro-batches of a step.
  package var minimum: Int
  /// The number is a multiple of this.
  package var multiple: Int
  /// The number divides into as many equal rounds as rounds of at least this length fit in it; nil
  /// where there are no rounds.
  package var roundsOfAtLeast: Int?

  package init(minimum: Int, multiple: Int, roundsOfAtLeast: Int? = nil) {
    self.minimum = minimum
    self.multiple = multiple
    self.roundsOfAtLeast = roundsOfAtLeast
  }

  /// Any number from 1.
  static let any = MicrobatchRule(minimum: 1, multiple: 1)

  package func allows(_ microbatches: Int) -> Bool {
    guard microbatches >= minimum, microbatches % multiple == 0 else { return false }
    return roundsOfAtLeast.map { microbatches % max(1, microbatches / $0) == 0 } ?? true
  }

  /// The nearest number allowed that is not above `microbatches`, or the least allowed.
  package func roundedDown(_ microbatches: Int) -> Int {
    let least = (minimum + multiple - 1) / multiple * multiple
    var number = max(least, microbatches / multiple * multiple)
    // Ends at a multiple of the rounds' least length, or below twice that.
    while number > least, !allows(number) { number -= multiple }
    return number
  }

  /// Refuses what the rule does not allow, and sizes beyond any machine.
  func check(_ name: String, ranks: Int, microbatches: Int, stagesPerRank: Int = 1)
    throws(ScheduleError)
  {
    // First, so that nothing below meets an absurd number.
    let (stages, tooMany) = ranks.multipliedReportingOverflow(by: stagesPerRank)
    let (cells, overflow) = stages.multipliedReportingOverflow(by: microbatches)
    guard !tooMany, !overflow, cells <= Schedule.largestCellCount else {
      throw ScheduleError(
        .size,
        "\(ranks) ranks × \(stagesPerRank) stages × \(microbatches) micro-batches are more than "
          + "\(Schedule.largestCellCount) cells")
    }
    if let length = roundsOfAtLeast, ranks >= 1, microbatches >= 1, !allows(microbatches) {
      let rounds = microbatches / length
      throw ScheduleError(
        .shape,
        "\(name) on \(ranks) ranks goes in ⌊m / \(ranks)⌋ = \(rounds) rounds, of which "
          + "\(microbatches) micro-batches are no multiple; "
          + "\(roundedDown(microbatches)) would do")
    }
    guard ranks >= 1, allows(microbatches) else {
      throw ScheduleError(
        .shape,
        "\(name) needs at least 1 rank and at least \(minimum) micro-batches: "
          + "got \(ranks) ranks and \(microbatches) micro-batches")
    }
  }
}
