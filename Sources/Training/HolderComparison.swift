// Ranks that hold the same weights must have the same bits of them. The gather at a step's end
// gives all holders those of each shard's owner, and thereby heals a bit that flipped elsewhere,
// after it has spoilt a gradient. So each rank folds into a running digest what it has worked with
// in each step, and the holders compare these digests every so many steps: nothing is missed.

internal import MessagePassing
internal import RunFiles

/// Which holders of a group of weights are not like the others.
package struct HolderDifference: Equatable, Sendable {
  package var group: String
  /// World ranks, ascending, and of these the ones that differ from most; none where there is no
  /// majority.
  package var holders: [Int]
  package var minority: [Int]

  /// - Parameter digests: one of each holder, not all equal.
  package init(group: String, holders: [Int], digests: [UInt64]) {
    self.group = group
    self.holders = holders
    let usual = digests.first { digest in
      2 * digests.count { $0 == digest } > digests.count
    }
    minority =
      usual.map { usual in
        zip(holders, digests).filter { $0.1 != usual }.map(\.0)
      } ?? []
  }
}

extension HolderDifference: CustomStringConvertible {
  package var description: String {
    func list(_ ranks: [Int]) -> String {
      (ranks.count == 1 ? "rank " : "ranks ") + ranks.map(String.init).joined(separator: ", ")
    }
    guard !minority.isEmpty else {
      return "\(list(holders)) hold the weights \(group) and no longer agree on them; which is "
        + "wrong can't be told without a majority"
    }
    let others = holders.count - minority.count
    return "\(list(minority)) no longer \(minority.count == 1 ? "has" : "have") the weights "
      + "\(group) as the \(others) others that hold them do"
  }
}

extension Trainer {
  /// Folds the weights that a step has worked with into what is compared.
  func noteWeights() {
    if lastComparison == nil { lastComparison = stepsDone }
    clock.during(.optimizer) { optimizer.noteWeights() }
  }

  /// Compares what the ranks that share weights have worked with since the last time, and have
  /// now. Collective.
  ///
  /// - Throws: `TrainingError.holdersDiffer` on every rank, naming a group that differs.
  package func checkHolders() throws {
    clock.beat?.wait(.collective)
    defer { clock.beat?.proceed() }
    var differing: Int?
    var digests: [UInt64] = []
    for (number, group) in optimizer.groups.enumerated() {
      let all = try group.takeHolderDigests()
      if differing == nil, all.contains(where: { $0 != all[0] }) {
        (differing, digests) = (number, all)
      }
    }
    let since = lastComparison ?? stepsDone
    lastComparison = stepsDone
    guard let first = try world.agree(failure: differing.map { Int32($0) }) else { return }
    let group = model.placement.groups(of: first.rank)[Int(first.code)]
    if world.rank != first.rank { digests = Array(repeating: 0, count: group.holders.count) }
    try world.broadcast(&digests, root: first.rank)
    throw TrainingError.holdersDiffer(
      step: stepsDone, since: since,
      HolderDifference(group: group.label, holders: group.holders, digests: digests))
  }
}
