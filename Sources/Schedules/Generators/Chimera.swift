// Chimera (Li & Hoefler 2021, arXiv 2107.06925, section 3): two pipes over the same ranks in
// opposite directions, in units of as many micro-batches as there are ranks, half of them each
// way. The order is that of the authors' generator (Shigangli/Chimera@6b78ac7), in the form of the
// slot in which each forward and backward stands when both take one slot.

extension Schedule {
  /// Chimera: rank r holds stages r and P − 1 − r. Micro-batches of the way down are numbered
  /// before those of the way up; what is left over by whole units goes down. Holds at most P
  /// activations.
  ///
  /// - Throws: `ScheduleError` of rule `shape` unless `ranks` is even and `microbatches` positive.
  package static func chimera(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    guard ranks >= 2, ranks % 2 == 0, microbatches >= 1 else {
      throw ScheduleError(
        .shape,
        "Chimera needs an even number of ranks and at least 1 micro-batch: "
          + "got \(ranks) ranks and \(microbatches) micro-batches")
    }
    try MicrobatchRule.any.check("Chimera", ranks: ranks, microbatches: microbatches)
    let slots = ChimeraSlots(ranks: ranks, microbatches: microbatches)
    return try Schedule(
      name: "chimera", stages: ranks, microbatches: microbatches,
      actions: (0..<ranks).map { slots.actions(ofRank: $0) })
  }
}

/// Where each cell stands on a grid of rank × slot, written D = ranks below.
///
/// In a unit, micro-batch k of a direction is forwarded by stage s in slot s + 2k and backwarded
/// in slot D + 2k + (D − 1 − s). Units follow each other by 2D slots, so the next one's forwards
/// fill the gaps between the backwards of the one before. No slot is taken twice: of one direction,
/// forwards and backwards of a rank differ in parity; forwards of the one and backwards of the
/// other have the same (D is even), but the forwards of a unit are over before the other
/// direction's backwards begin, and those before the next unit's forwards do.
private struct ChimeraSlots {
  let ranks: Int
  let microbatches: Int

  private var wholeUnits: Int { microbatches / ranks }
  private var down: Int { wholeUnits * ranks / 2 + microbatches % ranks }

  func actions(ofRank rank: Int) -> [Action] {
    var placed: [(slot: Int, action: Action)] = []
    for microbatch in 0..<microbatches {
      let isDown = microbatch < down
      let number = isDown ? microbatch : microbatch - down
      let stage = isDown ? rank : ranks - 1 - rank
      // What is left over is a unit of its own, however long.
      let unit = min(number / (ranks / 2), wholeUnits)
      let k = number - unit * ranks / 2
      let start = 2 * ranks * unit + 2 * k
      let cell = Cell(stage: stage, microbatch: microbatch)
      placed.append((start + stage, .forward(cell)))
      placed.append((start + 2 * ranks - 1 - stage, .backward(cell)))
    }
    return placed.sorted { $0.slot < $1.slot }.map(\.action)
  }
}
