// What a run that cannot go on says: who waits for whom and for what, followed along the chain of
// ranks until it closes.

/// The ranks that wait when nobody can proceed.
struct Stall {
  /// Where a rank stands and whom it needs.
  struct Wait {
    var index: Int
    var peer: Int
    var reason: String
  }

  /// The lists the ranks were performing.
  var actions: [[Action]]
  var waits: [Int: Wait] = [:]

  /// The error, its position the first action of a closed chain of waits.
  var error: ScheduleError {
    guard let lowest = waits.keys.min() else {
      return ScheduleError(.deadlock, "the schedule stops before its end")
    }
    let chain = chain(from: lowest)
    var text = ""
    for (step, rank) in chain.enumerated() {
      guard let wait = waits[rank] else { continue }
      text += step == 0 ? "" : ", which waits"
      text += step == 0 ? "rank \(rank) waits" : ""
      text += " at action \(wait.index) `\(actions[rank][wait.index])` for "
      text += "\(wait.reason) from "
      text += wait.peer == rank ? "itself, later in its list" : "rank \(wait.peer)"
    }
    let end = chain.last.flatMap { waits[$0]?.peer }
    if let end, waits[end] == nil { text += ", which has finished" }
    let marked = chain.compactMap { rank in
      waits[rank].map { ScheduleError.Position(rank: rank, index: $0.index) }
    }
    return ScheduleError(
      .deadlock, text, at: marked.first,
      grid: ActionGrid(actions: actions, marked: marked).drawing)
  }

  /// The cycle reached from `start`, or the path to a rank that does not wait.
  private func chain(from start: Int) -> [Int] {
    var path: [Int] = []
    var rank = start
    while let wait = waits[rank] {
      if let first = path.firstIndex(of: rank) { return Array(path[first...]) }
      path.append(rank)
      rank = wait.peer
    }
    return path
  }
}
