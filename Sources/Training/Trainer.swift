// The training step, whole, on one screen: perform the schedule, sum gradients to their owners,
// clip, update, share, balance the experts, and say what happened.

internal import Kernels
package import MessagePassing
package import Model
internal import ModelSpec
internal import RunFiles
internal import Schedules
package import Workload

package final class Trainer {
  package let setup: TrainerSetup
  package let world: Communicator
  package let model: RankModel
  package let optimizer: ShardedOptimizer
  /// The running mean of the weights, when the plan asks for one.
  package let average: WeightAverage?
  package let progress: TrainingProgress
  package let clock = ActivityClock()
  /// Steps done, also before a resume.
  package internal(set) var stepsDone = 0
  /// Most (stage, micro-batch) activations this rank held at once in the last step.
  package private(set) var peakActivations = ActivationPeaks()
  /// What this rank's tensors took in the last step, at the rank's own peak.
  package private(set) var memory = CountedMemory()
  /// Whether the steps from now on are recorded; the same on all ranks.
  package var recording = RecordingMode.off
  /// Asked at the end of each step for what this rank has to tell.
  package var news: () -> StepNews = { StepNews() }
  /// What all ranks told at the end of the last step.
  package private(set) var heard = StepNews()
  /// On rank 0, what all ranks did in the last step, if it was recorded.
  package private(set) var lastWorkload: Workload?
  /// Tokens of each expert in the last step, over the whole batch.
  package private(set) var lastLoad: ExpertLoad?
  /// Whether each step's weights are noted for the next `checkHolders()`; the same on all ranks.
  package var notesWeights = false
  /// Steps done when holders were last compared, or when this process began with the first.
  var lastComparison: Int?
  /// What is made to go wrong, if anything.
  package var disturbances: DisturbanceSource?
  /// Experts' transport over MPI, where the experts are spread.
  private let transport: GroupTransport?
  private let executor: ScheduleExecutor
  private let collector: WorkloadCollector
  private var plans: [Int: SchedulePlan] = [:]

  /// Builds this rank's part. Collective.
  package init(_ setup: TrainerSetup, world: Communicator) throws {
    BLAS.useOneThread()
    self.setup = setup
    self.world = world
    let (spec, layout, plan) = (setup.spec, setup.layout, setup.plan)
    let placement = Placement(
      spec: spec, layout: layout, schedule: try setup.schedule(plan.microBatches),
      stages: setup.stages)
    if layout.expert > 1 && spec.routedExperts > 0 {
      let members = layout.expertGroup(of: world.rank).map { world.worldRanks[$0] }
      let group = try world.subgroup(worldRanks: members, tag: 1)
      let formats = GroupTransport.formats(plan.numerics.precision)
      let exchange = try ExpertExchange(
        group: group, ranksPerNode: layout.gpusPerNode, experts: spec.routedExperts,
        expertsPerToken: spec.expertsPerToken, hidden: spec.hiddenSize, route: setup.route,
        outward: formats.outward, inward: formats.inward)
      transport = GroupTransport(
        exchange, maxTokens: plan.microBatch * plan.sequenceLength, clock: clock)
    } else {
      transport = nil
    }
    model = RankModel(
      placement, rank: world.rank, plan: plan,
      transport: transport ?? LocalTransport(experts: spec.routedExperts),
      balancedRouting: setup.balancedRouting)
    optimizer = try ShardedOptimizer(model, world: world, plan: plan)
    average = plan.emaDecay > 0 ? WeightAverage(optimizer.groups, decay: plan.emaDecay) : nil
    progress = setup.progress
    collector = WorkloadCollector(placement, world: world)
    let first = try SchedulePlan(lowering: placement.schedule)
    try first.dryRun(Self.transportModel)
    executor = ScheduleExecutor(
      model, plan: first, tokens: plan.microBatch * plan.sequenceLength,
      precision: plan.numerics.precision, world: world, clock: clock)
    plans[plan.microBatches] = first
  }

  /// Performs the next step. Collective.
  package func step() throws -> StepRecord {
    let start = ActivityClock.now()
    let step = progress[stepsDone]
    let before = transport?.traffic ?? ExchangeTraffic()
    TensorMemory.resetPeak()
    let recorder =
      recording == .off ? nil : StepRecorder(model.placement, rank: world.rank)
    clock.beat?.begin(step: stepsDone + 1)
    let losses = try disturbedGradients(step, recorder: recorder)
    clock.beat?.enter(.gradients)
    if notesWeights { noteWeights() }
    let norm = try clock.waiting(for: .collective, .optimizer) {
      try optimizer.reduceGradients(recorder: recorder)
    }
    clock.beat?.wait(.collective)
    let sums = try world.allReduceSum([losses.main, losses.mtp, losses.balance, 0])
    var record = StepRecord()
    record.step = stepsDone + 1
    record.tokens = step.sequences * setup.plan.sequenceLength
    record.loss = sums[0] / Double(record.tokens)
    record.mtpLoss = sums[1] / Double(record.tokens * max(setup.spec.mtpDepth, 1))
    record.balanceLoss = sums[2]
    record.gradientNorm = norm
    record.learningRate = step.learningRate
    guard record.loss.isFinite, norm.isFinite else {
      throw TrainingError.notFinite(
        step: record.step, loss: record.loss, gradientNorm: norm, learningRate: step.learningRate)
    }
    try clock.during(.optimizer) {
      clock.beat?.enter(.optimizer)
      average?.finish()
      optimizer.update(
        norm: norm, learningRate: step.learningRate, number: record.step, recorder: recorder)
      clock.beat?.wait(.collective)
      try optimizer.share(recorder: recorder)
      average?.start()
    }
    clock.beat?.enter(.balance)
    clock.beat?.wait(.collective)
    let load = try ExpertLoad(model, world: world)
    lastLoad = load
    load.updateBiases(model, speed: step.biasUpdateSpeed)
    record.maxExpertLoadRatio = load.worstRatio
    let traffic = transport?.traffic ?? ExchangeTraffic()
    let bytes = try world.allReduceSum([
      traffic.nvlinkBytes - before.nvlinkBytes, traffic.infinibandBytes - before.infinibandBytes,
      traffic.outwardBytes - before.outwardBytes,
    ])
    record.nvlinkBytes = bytes[0]
    record.infinibandBytes = bytes[1]
    record.dispatchBytes = bytes[2]
    lastWorkload = try recorder.flatMap { try collector.collect($0, shape: shape(of: step)) }
    let peaks = try world.allReduceMax(
      [Double(peakActivations.toInput), Double(collector.differing ?? -1)] + news().numbers)
    heard = StepNews(numbers: peaks[2...])
    if peaks[1] >= 0 {
      throw TrainingError.recordsDiffer(step: record.step, pipelineRank: Int(peaks[1]))
    }
    memory = CountedMemory(TensorMemory.usage)
    record.memory = try memory.ofFullestRank(world)
    record.peakActivations = Int(peaks[0])
    record.wallSeconds = Double(ActivityClock.now() - start) / 1e9
    clock.beat?.memory(tensorBytes: memory.total, residentBytes: residentBytes())
    clock.beat?.proceed()
    stepsDone += 1
    return record
  }

  /// `accumulateGradients`, with what is to go wrong in it.
  private func disturbedGradients(_ step: StepPlan, recorder: StepRecorder?) throws -> LossSums {
    guard let disturbances else { return try accumulateGradients(step, recorder: recorder) }
    let actions = try plan(microBatches: step.microBatches).actions
    let own = actions[setup.layout.pipelineRank(of: world.rank)].count
    let disturbance = try disturbances(stepsDone + 1, own)
    disturbance.flipBit(of: optimizer)
    let losses = try accumulateGradients(step, recorder: recorder, disturbance: disturbance)
    disturbance.spoilGradient(of: model)
    return losses
  }

  /// Forward and backward of one step: gradients are left in the store, summed over this rank's
  /// micro-batches only. Returns this rank's loss sums.
  package func accumulateGradients(
    _ step: StepPlan, recorder: StepRecorder? = nil, disturbance: Disturbance? = nil
  ) throws -> LossSums {
    model.store.startGradients()
    for stage in model.stageNumbers {
      for (_, router) in model.routers(stage: stage) { router.resetLoad() }
    }
    let tokens = Double(step.sequences * setup.plan.sequenceLength)
    let scales = LossScales(
      main: 1 / tokens, mtp: step.mtpWeight / Double(max(setup.spec.mtpDepth, 1)) / tokens,
      balance: setup.plan.balanceLossWeight / Double(step.sequences))
    let source = batches(first: step.firstSequenceIndex)
    let losses = try executor.run(
      try plan(microBatches: step.microBatches), scales: scales, recorder: recorder,
      disturbance: disturbance
    ) { source.training($0) }
    peakActivations = executor.peakActivations
    model.store.completeGradients()
    return losses
  }

  /// What the schedule's actions have cost, over all steps and ranks. Collective.
  package func actionTimes() throws -> ActionTimes { try executor.times.summed(over: world) }

  /// Mean cross-entropy of the main model over the held-out text, in nats a token; the first
  /// `limit` sequences of it. nil when nothing is held out. Collective.
  package func heldOutLoss(limit: Int = 2048) throws -> Double? {
    let windows = min(setup.tokens.heldOutWindows, limit)
    guard windows > 0 else { return nil }
    clock.beat?.enter(.evaluation)
    let forward = try SchedulePlan(
      lowering: try plan(microBatches: setup.plan.microBatches).schedule.forwardOnly)
    let perPass = setup.plan.microBatches * setup.layout.data * setup.plan.microBatch
    let none = LossScales(main: 0, mtp: 0, balance: 0)
    var sum = 0.0
    for first in stride(from: 0, to: windows, by: perPass) {
      let source = batches(first: first, heldOutLimit: windows)
      sum += try executor.run(forward, scales: none) { source.heldOut($0) }.main
    }
    clock.beat?.wait(.collective)
    let total = try world.allReduceSum([sum])[0]
    clock.beat?.proceed()
    return total / Double(windows * setup.plan.sequenceLength)
  }

  /// Bytes of all exchanges of this rank so far.
  package var traffic: ExchangeTraffic { transport?.traffic ?? ExchangeTraffic() }

  /// How the executor's messages behave: sends never wait, receives are posted and waited for
  /// where the value is used.
  private static let transportModel = Transport(sends: .buffered, receives: .posted)

  private func plan(microBatches: Int) throws -> SchedulePlan {
    if let plan = plans[microBatches] { return plan }
    let plan = try SchedulePlan(lowering: try setup.schedule(microBatches))
    try plan.dryRun(Self.transportModel)
    plans[microBatches] = plan
    return plan
  }

  private func shape(of step: StepPlan) -> StepShape {
    StepShape(
      setup.spec, sequenceLength: setup.plan.sequenceLength, sequences: setup.plan.microBatch,
      microbatches: step.microBatches)
  }

  private func batches(first: Int, heldOutLimit: Int = .max) -> BatchSource {
    BatchSource(
      tokens: setup.tokens, microBatch: setup.plan.microBatch, dataRanks: setup.layout.data,
      dataRank: setup.layout.dataRank(of: world.rank), first: first, heldOutLimit: heldOutLimit)
  }
}
