// Of a job that hangs: which rank is to blame. Ranks that wait name whom they wait for; the chain
// is followed to one that waits for nobody.

internal import RunFiles

struct WaitChain {
  private let states: [RankState?]

  init(_ states: [RankState?]) { self.states = states }

  /// The rank to blame, with the ranks that led to it; nil when nothing is known or all wait for
  /// one another.
  func culprit() -> (rank: Int, chain: [Int])? {
    let known = states.indices.filter { states[$0] != nil }
    // A dead or stopped process is to blame whatever its last beat says.
    for isSuspect in [{ $0.process == .gone }, { $0.isStopped }] as [(RankState) -> Bool] {
      if let rank = known.first(where: { states[$0].map(isSuspect) ?? false }) {
        return (rank, chain(to: rank))
      }
    }
    // One that never got as far as the others are holds them up.
    if !known.isEmpty, let absent = states.firstIndex(where: { $0 == nil }) { return (absent, []) }
    let busy = known.filter { states[$0]?.isBusy ?? false }
    for start in known.sorted(by: isBehind) {
      let path = path(from: start)
      if let end = path.last, busy.contains(end) { return (end, path.dropLast()) }
    }
    return nil
  }

  /// The ranks of a closed chain of waits; empty when there is none.
  func cycle() -> [Int] {
    for start in states.indices {
      let path = path(from: start)
      guard let last = path.last, let next = states[last]?.beat.peer,
        let first = path.firstIndex(of: next)
      else { continue }
      return Array(path[first...])
    }
    return []
  }

  /// Ranks whose waits end at `rank`, the longest such chain without it.
  private func chain(to rank: Int) -> [Int] {
    let paths = states.indices.compactMap { start -> [Int]? in
      let path = path(from: start)
      return path.firstIndex(of: rank).map { Array(path[..<$0]) }
    }
    return paths.max { $0.count < $1.count } ?? []
  }

  /// From a rank along its waits, until one waits for nobody or stands in the path already.
  private func path(from start: Int) -> [Int] {
    var path = [start]
    while let state = states[path[path.count - 1]], state.beat.wait != .nothing,
      let peer = state.beat.peer, states.indices.contains(peer), !path.contains(peer)
    {
      path.append(peer)
    }
    return path
  }

  /// Whether rank `a` is less far than `b`.
  private func isBehind(_ a: Int, _ b: Int) -> Bool {
    func place(_ rank: Int) -> (Int, Int, Int, Int) {
      let beat = states[rank]?.beat
      return (beat?.step ?? 0, Int(beat?.phase.rawValue ?? 0), beat?.actionsDone ?? 0, rank)
    }
    return place(a) < place(b)
  }
}
