// The schedules that can be asked for by name (`schedule.name` in cluster.yaml). A new schedule is
// one generator file and one line here.

/// The registry of generators.
package enum ScheduleCatalog {
  /// One schedule that can be made.
  package struct Entry: Sendable {
    package let name: String
    /// A line for lists and help.
    package let summary: String
    let rule: @Sendable (_ ranks: Int) -> MicrobatchRule
    let make: @Sendable (_ ranks: Int, _ microbatches: Int) throws(ScheduleError) -> Schedule
  }

  package static let entries: [Entry] = [
    Entry(
      name: "gpipe", summary: "all forwards, then all backwards",
      rule: { _ in .any },
      make: { (ranks, count) throws(ScheduleError) in
        try .gpipe(ranks: ranks, microbatches: count)
      }),
    Entry(
      name: "1f1b", summary: "one forward, one backward in turn",
      rule: { _ in .any },
      make: { (ranks, count) throws(ScheduleError) in
        try .oneForwardOneBackward(ranks: ranks, microbatches: count)
      }),
    Entry(
      name: "dualpipe", summary: "two pipes against each other, forward over backward",
      rule: { .dualpipe(ranks: $0) },
      make: { (ranks, count) throws(ScheduleError) in
        try .dualpipe(ranks: ranks, microbatches: count)
      }),
  ]

  /// Names of all schedules.
  package static var names: [String] { entries.map(\.name) }

  /// Makes the schedule `name` for `ranks` pipeline ranks and `microbatches` of one step.
  ///
  /// - Throws: `ScheduleError` of rule `name` for an unknown name, of rule `shape` when the
  ///   schedule cannot do these numbers, with the schedule's rule in the message.
  package static func make(name: String, ranks: Int, microbatches: Int)
    throws(ScheduleError) -> Schedule
  {
    try entry(name).make(ranks, microbatches)
  }

  /// The numbers of micro-batches that schedule `name` takes on `ranks` ranks. The ranks
  /// themselves are judged by `make`.
  ///
  /// - Throws: `ScheduleError` of rule `name` for an unknown name.
  package static func microbatchRule(name: String, ranks: Int)
    throws(ScheduleError) -> MicrobatchRule
  {
    try entry(name).rule(ranks)
  }

  private static func entry(_ name: String) throws(ScheduleError) -> Entry {
    if let entry = entries.first(where: { $0.name == name }) { return entry }
    let list = names.joined(separator: ", ")
    let nearest = names.min { distance($0, name) < distance($1, name) }
    let suggestion = nearest.flatMap { near in
      distance(near, name) <= max(2, near.count / 2) ? "; did you mean `\(near)`?" : nil
    }
    throw ScheduleError(
      .name, "there is no schedule `\(name)`; there are \(list)\(suggestion ?? "")")
  }

  /// Letters to add, drop or change, whatever their case (Levenshtein).
  private static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.lowercased().prefix(64))
    let right = Array(right.lowercased().prefix(64))
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let changed = diagonal + (a == b ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }
}
