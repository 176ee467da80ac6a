// ZeRO-1: each group of holders shares the optimizer of its weights. Gradients are summed to their
// owners (reduce-scatter), each owner updates its shard, and the new values go back to all
// (all-gather), so every holder ends with the same bits.

internal import Kernels
package import MessagePassing
internal import Model
package import ModelSpec

/// The optimizer of a rank: all its groups, one global gradient norm.
package final class ShardedOptimizer {
  package let groups: [GroupOptimizer]
  private let world: Communicator
  private let plan: TrainingPlan

  package init(
    _ model: RankModel, world: Communicator, plan: TrainingPlan
  ) throws {
    self.world = world
    self.plan = plan
    var groups: [GroupOptimizer] = []
    for (number, group) in model.groups.enumerated() {
      let communicator = try world.subgroup(
        worldRanks: group.holders.map { world.worldRanks[$0] }, tag: Self.tag(of: group.holders))
      groups.append(
        GroupOptimizer(
          model.store.groups[number], communicator: communicator,
          decayScope: plan.weightDecayScope, moments: plan.numerics.moments))
    }
    self.groups = groups
  }

  /// Runs `body` while the groups' values are the master weights of all holders. Collective.
  package func withMasters<Result>(_ body: () throws -> Result) throws -> Result {
    for group in groups { try group.gatherMasters() }
    defer { for group in groups { group.group.collapse() } }
    return try body()
  }

  /// Makes room for values that are to be set; `adoptValues()` follows.
  package func expandValues() {
    for group in groups { group.group.expand() }
  }

  /// Makes masters and working weights from the groups' values.
  package func adoptValues() {
    for group in groups { group.adoptValues() }
  }

  /// A tag of the group's own, so that groups made at the same time are told apart.
  private static func tag(of holders: [Int]) -> Int {
    holders.reduce(7) { ($0 * 31 + $1 + 1) % 1_000_003 }
  }

  /// Sums gradients to their owners and returns the global norm, the same on every rank.
  package func reduceGradients(recorder: StepRecorder? = nil) throws -> Double {
    for (number, group) in groups.enumerated() {
      recorder?.reduceScatter(group: number)
      try group.reduceGradients()
    }
    recorder?.reduceNorm()
    let own = groups.reduce(0.0) { $0 + $1.squaredNorm() }
    return try world.allReduceSum([own])[0].squareRoot()
  }

  /// Folds the weights that the step has worked with into the digests that holders compare.
  func noteWeights() {
    for group in groups { group.noteWeights() }
  }

  /// Clips to the plan's norm and updates the own shards with AdamW at step `number` ≥ 1.
  package func update(
    norm: Double, learningRate: Double, number: Int, recorder: StepRecorder? = nil
  ) {
    // As torch's clip_grad_norm_: the 1e-6 keeps a zero norm from dividing.
    let scale = plan.clipNorm > 0 ? min(1, plan.clipNorm / (norm + 1e-6)) : 1
    let step = AdamWStep(
      learningRate: learningRate, beta1: plan.beta1, beta2: plan.beta2, epsilon: plan.epsilon,
      weightDecay: plan.weightDecay, step: number, gradientScale: scale)
    for (number, group) in groups.enumerated() {
      recorder?.optimize(group: number)
      group.update(step)
    }
  }

  /// Gives all holders the new weights. Collective.
  func share(recorder: StepRecorder? = nil) throws {
    for (number, group) in groups.enumerated() {
      recorder?.allGather(group: number)
      try group.gatherParameters()
    }
  }
}
