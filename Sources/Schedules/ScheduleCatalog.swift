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
    let make: @Sendable (_ shape: Shape) throws(ScheduleError) -> Schedule

    init(
      _ name: String, _ summary: String,
      rule: @escaping @Sendable (_ ranks: Int) -> MicrobatchRule = { _ in .any },
      make: @escaping @Sendable (_ shape: Shape) throws(ScheduleError) -> Schedule
    ) {
      self.name = name
      self.summary = summary
      self.rule = rule
      self.make = make
    }
  }

  /// What a schedule is made for.
  package struct Shape: Hashable, Sendable {
    package var ranks: Int
    package var microbatches: Int
    /// Chunks of the model on a rank, for the interleaved schedules; others have their own number.
    package var chunks: Int

    package init(ranks: Int, microbatches: Int, chunks: Int = ScheduleCatalog.standardChunks) {
      self.ranks = ranks
      self.microbatches = microbatches
      self.chunks = chunks
    }
  }

  /// Chunks of a rank unless said otherwise.
  package static let standardChunks = 2

  package static let entries: [Entry] = [
    Entry("gpipe", "all forwards, then all backwards") { (shape) throws(ScheduleError) in
      try .gpipe(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry("1f1b", "one forward, one backward in turn") { (shape) throws(ScheduleError) in
      try .oneForwardOneBackward(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry(
      "interleaved", "1f1b over several chunks of the model on each rank",
      rule: { .rounds(ranks: $0) }
    ) { (shape) throws(ScheduleError) in
      try .interleaved(
        ranks: shape.ranks, microbatches: shape.microbatches, chunks: shape.chunks)
    },
    Entry(
      "interleaved-zb", "interleaved with split backwards, weight halves in the gaps",
      rule: { .rounds(ranks: $0) }
    ) { (shape) throws(ScheduleError) in
      try .interleavedZeroBubble(
        ranks: shape.ranks, microbatches: shape.microbatches, chunks: shape.chunks)
    },
    Entry("zb1p", "ZB-H1: split backwards in 1f1b's memory") { (shape) throws(ScheduleError) in
      try .zeroBubbleOnePipe(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry("zb-h2", "split backwards in twice 1f1b's memory") { (shape) throws(ScheduleError) in
      try .zeroBubbleH2(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry("zb-v", "the model folded in two, zero bubble in 1f1b's memory") {
      (shape) throws(ScheduleError) in
      try .zeroBubbleV(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry("v-half", "the model folded in two, half of 1f1b's memory") {
      (shape) throws(ScheduleError) in
      try .vHalf(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry("v-min", "the model folded in two, a third of 1f1b's memory") {
      (shape) throws(ScheduleError) in
      try .vMin(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry("chimera", "two pipes against each other in units of as many micro-batches as ranks") {
      (shape) throws(ScheduleError) in
      try .chimera(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry(
      "dualpipe", "two pipes against each other, forward over backward",
      rule: { .dualpipe(ranks: $0) }
    ) { (shape) throws(ScheduleError) in
      try .dualpipe(ranks: shape.ranks, microbatches: shape.microbatches)
    },
    Entry(
      "dualpipev", "dualpipe folded in two: each stage on one rank only",
      rule: { .dualpipeV(ranks: $0) }
    ) { (shape) throws(ScheduleError) in
      try .dualpipeV(ranks: shape.ranks, microbatches: shape.microbatches)
    },
  ]

  /// Names of all schedules.
  package static var names: [String] { entries.map(\.name) }

  /// Makes the schedule `name` for `ranks` pipeline ranks and `microbatches` of one step; the
  /// interleaved ones with `chunks` chunks of the model on a rank.
  ///
  /// - Throws: `ScheduleError` of rule `name` for an unknown name, of rule `shape` when the
  ///   schedule cannot do these numbers, with the schedule's rule in the message.
  package static func make(
    name: String, ranks: Int, microbatches: Int, chunks: Int = standardChunks
  ) throws(ScheduleError) -> Schedule {
    try entry(name).make(Shape(ranks: ranks, microbatches: microbatches, chunks: chunks))
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
