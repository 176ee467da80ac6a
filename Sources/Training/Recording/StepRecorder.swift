// What one rank does in a step, written down while it does it: the trainer and the model tell, and
// the writer of the Workload room makes operations of it. Nothing here looks at the schedule.

internal import Model
internal import ModelSpec
internal import Schedules
internal import Workload

/// Which steps are written down as a `Workload`.
package enum RecordingMode: Hashable, Sendable {
  case off
  case everyStep
}

/// The record of one step of one rank.
package final class StepRecorder {
  fileprivate(set) var writer = OperationWriter()
  /// What the routers chose, in the order they chose it; empty where all experts are on this rank.
  fileprivate(set) var rows: [ChosenRows] = []
  /// Experts of each rank of the expert group, and where those ranks are; nil where the group is
  /// this rank alone, and nothing is exchanged.
  fileprivate let expertsPerRank: Int
  fileprivate let geometry: ExchangeGeometry?

  /// The rows of a layer and micro-batch.
  struct ChosenRows {
    var layer: Int
    var microbatch: Int
    var rows: RoutedRows
  }

  init(_ placement: Placement, rank: Int) {
    let layout = placement.layout
    expertsPerRank = placement.spec.routedExperts / layout.expert
    geometry = layout.expert > 1 ? ExchangeGeometry(layout, groupOf: rank) : nil
  }

  // MARK: The pipeline

  /// The schedule's next compute action begins.
  func begin(_ action: ActionClass) { writer.begin(action) }

  /// Who is told what `cell` does in the model.
  func observer(of cell: Cell) -> any PassObserver { CellRecorder(self, cell) }

  func send(_ message: Message, to peer: Int, tokens: Int) {
    writer.send(message, to: peer, tokens: tokens)
  }

  func receive(_ message: Message, from peer: Int, tokens: Int) {
    writer.receive(message, from: peer, tokens: tokens)
  }

  /// A received value is needed.
  func use(_ message: Message) { writer.use(message) }

  // MARK: The optimizer, by number of the rank's parameter group

  func reduceScatter(group: Int) { writer.reduceScatter(group: group) }
  func reduceNorm() { writer.reduceNorm() }
  func optimize(group: Int) { writer.optimize(group: group) }
  func allGather(group: Int) { writer.allGather(group: group) }
}

/// Writes what the model does for one micro-batch in one stage.
private final class CellRecorder: PassObserver {
  private let recorder: StepRecorder
  private let cell: Cell

  init(_ recorder: StepRecorder, _ cell: Cell) {
    self.recorder = recorder
    self.cell = cell
  }

  func computes(_ component: StageComponent, _ half: PassHalf, layer: Int, tokens: Int) {
    recorder.writer.compute(
      OperationKind(component), Pass(half), layer: layer, cell: cell, tokens: tokens)
  }

  func routed(_ routing: Routing, layer: Int) {
    guard let geometry = recorder.geometry else { return }
    let rows = RoutedRows(
      choices: UnsafeBufferPointer(routing.experts), perToken: routing.expertsPerToken,
      expertsPerRank: recorder.expertsPerRank, nodeOfRank: geometry.nodeOfRank)
    recorder.rows.append(.init(layer: layer, microbatch: cell.microbatch, rows: rows))
  }

  func starts(_ exchange: TokenExchange, _ half: PassHalf, layer: Int, tokens: Int) {
    guard recorder.geometry != nil else { return }
    recorder.writer.start(
      OperationKind(exchange), Pass(half), layer: layer, cell: cell, tokens: tokens)
  }

  func finishes(_ exchange: TokenExchange, _ half: PassHalf, layer: Int) {
    guard recorder.geometry != nil else { return }
    recorder.writer.finish(OperationKind(exchange), Pass(half), layer: layer, cell: cell)
  }
}

extension OperationKind {
  fileprivate init(_ component: StageComponent) {
    switch component {
    case .embedding: self = .embedding
    case .mtpJoin: self = .mtpJoin
    case .attention: self = .attention
    case .router: self = .router
    case .denseFeedForward: self = .denseFeedForward
    case .sharedExperts: self = .sharedExperts
    case .routedExperts: self = .routedExperts
    case .head: self = .head
    }
  }

  fileprivate init(_ exchange: TokenExchange) {
    switch exchange {
    case .dispatch: self = .dispatch
    case .combine: self = .combine
    }
  }
}

extension Pass {
  fileprivate init(_ half: PassHalf) {
    switch half {
    case .forward: self = .forward
    case .input: self = .input
    case .weight: self = .weight
    }
  }
}
