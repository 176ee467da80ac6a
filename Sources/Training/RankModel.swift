// The part of the model that lives on one rank: its weights in flat groups, its stages, and the
// expert exchange they share. Under DualPipe both stages of a rank see the same store, so MTP on
// the last stage uses the first stage's embedding physically.

internal import Kernels
package import Model
package import ModelSpec
internal import Schedules

package final class RankModel {
  package let placement: Placement
  package let store: ParameterStore
  /// The stages this rank holds, by stage number.
  package let stages: [Int: Stage]
  package let groups: [Placement.Group]

  package init(
    _ placement: Placement, rank: Int, plan: TrainingPlan, transport: any ExpertTransport,
    balancedRouting: Bool = false
  ) {
    self.placement = placement
    let spec = placement.spec
    groups = placement.groups(of: rank)
    let store = ParameterStore(
      groups: groups.map {
        ParameterGroup(label: $0.label, shapes: $0.shapes, numerics: plan.numerics)
      }, numerics: plan.numerics)
    self.store = store
    Initialiser.fill(store, seed: plan.seed, deviation: spec.initializerRange)
    let rotary = RotaryEmbedding(spec, positions: plan.sequenceLength)
    var stages: [Int: Stage] = [:]
    for stage in placement.schedule.stages(onRank: placement.layout.pipelineRank(of: rank)) {
      stages[stage] = Stage(
        spec, layers: placement.stages[stage], convention: plan.mtpConvention, store: store,
        rotary: rotary, transport: transport)
    }
    self.stages = stages
    guard balancedRouting else { return }
    for (_, router) in stageNumbers.flatMap(routers) { router.balanced = BalancedRouting(spec) }
  }

  /// Stage numbers, ascending.
  package var stageNumbers: [Int] { stages.keys.sorted() }

  /// Routers of a stage with their layer numbers, in order.
  package func routers(stage: Int) -> [(layer: Int, router: Router)] {
    (stages[stage]?.allBlocks ?? []).compactMap { block in
      block.router.map { (block.layer, $0) }
    }
  }
}
