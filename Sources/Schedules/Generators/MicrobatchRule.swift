// How many micro-batches a schedule takes on given ranks: what a batch-size ramp rounds to, and
// what a generator refuses by.

/// The numbers of micro-batches a schedule can do on given ranks.
package struct MicrobatchRule: Hashable, Sendable {
  /// Least number of micro-batches of a step.
  package var minimum: Int
  /// The number is a multiple of this.
  package var multiple: Int

  package init(minimum: Int, multiple: Int) {
    self.minimum = minimum
    self.multiple = multiple
  }

  /// Any number from 1.
  static let any = MicrobatchRule(minimum: 1, multiple: 1)

  package func allows(_ microbatches: Int) -> Bool {
    microbatches >= minimum && microbatches % multiple == 0
  }

  /// The nearest number allowed that is not above `microbatches`, or the least allowed.
  package func roundedDown(_ microbatches: Int) -> Int {
    let least = (minimum + multiple - 1) / multiple * multiple
    return max(least, microbatches / multiple * multiple)
  }

  /// Refuses what the rule does not allow, and sizes beyond any machine.
  func check(_ name: String, ranks: Int, microbatches: Int) throws(ScheduleError) {
    guard ranks >= 1, allows(microbatches) else {
      throw ScheduleError(
        .shape,
        "\(name) needs at least 1 rank and at least \(minimum) micro-batches: "
          + "got \(ranks) ranks and \(microbatches) micro-batches")
    }
    let (cells, overflow) = ranks.multipliedReportingOverflow(by: microbatches)
    guard !overflow, cells <= Schedule.largestCellCount else {
      throw ScheduleError(
        .size,
        "\(ranks) ranks × \(microbatches) micro-batches are more than "
          + "\(Schedule.largestCellCount) cells")
    }
  }
}
