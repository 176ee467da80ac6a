// ZeRO-1: each group of holders shares the optimizer of its weights. Gradients are summed to their
// owners (reduce-scatter), each owner updates its shard, and the new values go back to all
// (all-gather), so every holder ends with the same bits.

package import Kernels
package import MessagePassing
package import Model
package import ModelSpec

/// The optimizer shard of one parameter group on one rank.
package final class GroupOptimizer {
  package let group: ParameterGroup
  let communicator: Communicator
  /// Each holder's part of the flat buffers.
  package let shards: [Range<Int>]
  /// AdamW's moments of the own shard.
  package let firstMoments: Tensor
  package let secondMoments: Tensor
  /// Runs of the own shard with and without weight decay.
  private let runs: [(range: Range<Int>, decay: Bool)]

  package init(
    _ group: ParameterGroup, communicator: Communicator, decayScope: WeightDecayScope
  ) {
    self.group = group
    self.communicator = communicator
    shards = Self.shards(of: group.count, over: communicator.size)
    let own = shards[communicator.rank]
    firstMoments = .zeros(1, own.count)
    secondMoments = .zeros(1, own.count)
    runs = group.parameters.compactMap { parameter in
      let range = parameter.offset..<parameter.offset + parameter.shape.count
      let part = range.clamped(to: own)
      return part.isEmpty ? nil : (part, decayScope == .all || parameter.shape.isMatrix)
    }
  }

  package var own: Range<Int> { shards[communicator.rank] }

  /// The FP32 values of the own shard, which `update` changes and `gatherParameters` shares.
  package var masters: UnsafeMutableBufferPointer<Float> {
    .init(start: group.values.base + own.lowerBound, count: own.count)
  }

  /// Equal parts in multiples of 16 floats (a cache line), the last ones maybe shorter.
  package static func shards(of count: Int, over ranks: Int) -> [Range<Int>] {
    let part = ((count + ranks - 1) / ranks + 15) / 16 * 16
    return (0..<ranks).map { min($0 * part, count)..<min(($0 + 1) * part, count) }
  }

  /// Sums the gradients of all holders into their owners' shards.
  func reduceGradients() throws {
    try communicator.reduceScatterSum(group.gradients.buffer, shards: shards)
  }

  /// Σ g² over the own shard.
  func squaredNorm() -> Double {
    sumOfSquares(group.gradients.base + own.lowerBound, count: own.count)
  }

  func update(_ step: AdamWStep) {
    for (range, decay) in runs {
      let moment = range.lowerBound - own.lowerBound
      adamW(
        step, parameters: group.values.base + range.lowerBound,
        gradients: group.gradients.base + range.lowerBound,
        firstMoments: firstMoments.base + moment, secondMoments: secondMoments.base + moment,
        count: range.count, decay: decay)
    }
  }

  /// Whether all holders have the same bits in the group's weights. Collective over the holders.
  func holdersAgree() throws -> Bool {
    var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    for value in group.values.buffer {
      digest = (digest ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3
    }
    let all = try communicator.allGather([digest])
    return all.allSatisfy { $0 == all[0] }
  }

  func gatherParameters() throws {
    try communicator.allGather(group.values.buffer, shards: shards)
  }
}

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
          decayScope: plan.weightDecayScope))
    }
    self.groups = groups
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

  /// Clips to the plan's norm, updates with AdamW at step `number` ≥ 1, and shares the result.
  package func update(
    norm: Double, learningRate: Double, number: Int, recorder: StepRecorder? = nil
  ) throws {
    // As torch's clip_grad_norm_: the 1e-6 keeps a zero norm from dividing.
    let scale = plan.clipNorm > 0 ? min(1, plan.clipNorm / (norm + 1e-6)) : 1
    let step = AdamWStep(
      learningRate: learningRate, beta1: plan.beta1, beta2: plan.beta2, epsilon: plan.epsilon,
      weightDecay: plan.weightDecay, step: number, gradientScale: scale)
    for (number, group) in groups.enumerated() {
      recorder?.optimize(group: number)
      group.update(step)
    }
    for (number, group) in groups.enumerated() {
      recorder?.allGather(group: number)
      try group.gatherParameters()
    }
  }
}
