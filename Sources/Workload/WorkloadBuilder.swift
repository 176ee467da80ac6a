// Writes a step without running it: the operations of every pipeline rank from the model, the
// layout and the schedule's plan. What a run on the same layout records is the same, operation by
// operation.

package import ModelSpec
package import Schedules

/// What a step is built from.
package struct WorkloadBuilder {
  private let spec: ModelSpec
  private let layout: Layout
  private let plan: SchedulePlan
  private let stages: [Range<Int>]
  private let shape: StepShape

  /// - Parameters:
  ///   - plan: the schedule with its sends and receives, of `layout.pipeline` ranks.
  ///   - stages: layers of each stage.
  package init(
    spec: ModelSpec, layout: Layout, plan: SchedulePlan, stages: [Range<Int>],
    sequenceLength: Int, sequences: Int
  ) {
    precondition(plan.ranks == layout.pipeline, "a list of actions for each pipeline rank")
    precondition(stages.count == plan.schedule.stages, "a range of layers for each stage")
    self.spec = spec
    self.layout = layout
    self.plan = plan
    self.stages = stages
    shape = StepShape(
      spec, sequenceLength: sequenceLength, sequences: sequences,
      microbatches: plan.schedule.microbatches)
  }

  /// The step with perfectly balanced routing, or with `routing`.
  package func build(
    routing: RoutingSource? = nil, configuration: String = ""
  ) -> Workload {
    let blocks = stages.map { StageBlocks(spec, layers: $0) }
    let holders = ParameterHolders(
      spec: spec, layout: layout, schedule: plan.schedule, stages: stages)
    return Workload(
      configuration: configuration, layout: layout, shape: shape,
      programs: (0..<layout.pipeline).map { program(pipelineRank: $0, blocks, holders) },
      routing: exchanges ? routing ?? balancedRouting : .none)
  }

  /// Whether experts are spread over ranks.
  private var exchanges: Bool { layout.expert > 1 && spec.routedExperts > 0 }

  // MARK: Programs

  private func program(
    pipelineRank: Int, _ blocks: [StageBlocks], _ holders: ParameterHolders
  ) -> Program {
    var writer = OperationWriter()
    for action in plan.actions[pipelineRank] {
      perform(action, onRank: pipelineRank, blocks, &writer)
    }
    let groups = holders.groups(ofPipelineRank: pipelineRank)
    writer.update(groups: groups.count)
    return Program(operations: writer.operations, groups: groups, actions: writer.actions)
  }

  private func perform(
    _ action: Action, onRank rank: Int, _ blocks: [StageBlocks], _ writer: inout OperationWriter
  ) {
    switch action {
    case .forward(let cell):
      writer.begin(.forward)
      var forward = beginForward(cell, blocks, &writer)
      forward.runForward(&writer)
    case .backward(let cell):
      writer.begin(.backward)
      var backward = beginBackward(cell, blocks, &writer)
      backward.runBackward(weights: true, &writer)
    case .backwardInput(let cell):
      writer.begin(.input)
      var backward = beginBackward(cell, blocks, &writer)
      backward.runBackward(weights: false, &writer)
    case .backwardWeight(let cell):
      writer.begin(.weight)
      writer.performWeights(cell)
    case .overlapped(let forwardCell, let backwardCell):
      writer.begin(.overlapped)
      var forward = beginForward(forwardCell, blocks, &writer)
      var backward = beginBackward(backwardCell, blocks, &writer)
      StageWalk.runPair(&forward, &backward, &writer)
    case .sendForward, .sendBackward, .receiveForward, .receiveBackward:
      guard let message = action.message, let peer = plan.peer(of: action, onRank: rank) else {
        preconditionFailure("a send or receive has a message and a peer")
      }
      if action.isSend {
        writer.send(message, to: peer, tokens: shape.tokens)
      } else {
        writer.receive(message, from: peer, tokens: shape.tokens)
      }
    }
  }

  private func beginForward(
    _ cell: Cell, _ blocks: [StageBlocks], _ writer: inout OperationWriter
  ) -> StageWalk {
    if cell.stage > 0 { writer.use(Message(payload: .activation, source: cell.previous)) }
    return StageWalk(
      forward: blocks[cell.stage], cell, shape, exchanges: exchanges)
  }

  private func beginBackward(
    _ cell: Cell, _ blocks: [StageBlocks], _ writer: inout OperationWriter
  ) -> StageWalk {
    if cell.stage < stages.count - 1 {
      writer.use(Message(payload: .gradient, source: cell.next))
    }
    return StageWalk(
      backward: blocks[cell.stage], cell, shape, exchanges: exchanges)
  }

  // MARK: Routing

  private var balancedRouting: RoutingSource {
    let groups = stride(from: 0, to: layout.worldSize, by: layout.expert).map {
      ExchangeGeometry(layout, groupOf: $0).nodeOfRank
    }
    if groups.allSatisfy({ $0 == groups[0] }) { return .balanced(balancedRows(groups[0])) }
    let rows = Dictionary(uniqueKeysWithValues: Set(groups).map { ($0, balancedRows($0)) })
    var table = RecordedRouting()
    for (stage, layers) in stages.enumerated() {
      let blocks = StageBlocks(spec, layers: layers).blocks.filter(\.hasExperts)
      for microbatch in 0..<shape.microbatches {
        let pipelineRank = plan.schedule.rank(of: Cell(stage: stage, microbatch: microbatch))
        for dataRank in 0..<layout.data {
          let rank = layout.worldRank(pipeline: pipelineRank, data: dataRank)
          guard let byLayer = rows[groups[rank / layout.expert]] else { continue }
          for block in blocks {
            table.rows[.init(layer: block.layer, microbatch: microbatch, dataRank: dataRank)] =
              byLayer[block.layer]
          }
        }
      }
    }
    return .recorded(table)
  }

  /// By layer, what each rank of an expert group sends: every source routes its token t alike.
  ///
  /// - Parameter nodeOfRank: of the group.
  private func balancedRows(_ nodeOfRank: [Int]) -> [RoutedRows] {
    let balanced = BalancedRouting(spec)
    let perToken = spec.expertsPerToken
    let choices = [Int32](unsafeUninitializedCapacity: shape.tokens * perToken) { buffer, count in
      for token in 0..<shape.tokens {
        let slots = UnsafeMutableBufferPointer(
          rebasing: buffer[token * perToken..<(token + 1) * perToken])
        balanced.choose(token: token, into: slots)
      }
      count = buffer.count
    }
    func rows(layer: Int) -> RoutedRows {
      choices.withUnsafeBufferPointer {
        RoutedRows(
          choices: UnsafeBufferPointer(rebasing: $0.prefix(shape.tokens(layer: layer) * perToken)),
          perToken: perToken, expertsPerRank: spec.routedExperts / layout.expert,
          nodeOfRank: nodeOfRank)
      }
    }
    return Array(repeating: rows(layer: 0), count: spec.layers)
      + (spec.layers..<spec.layers + spec.mtpDepth).map(rows)
  }
}
