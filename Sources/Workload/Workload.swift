// One step as data: what every rank of a run does, recorded by the trainer or written by the
// builder. A simulation says when each operation would have happened on a described cluster.

package import ModelSpec

/// One training step of all ranks.
package struct Workload: Hashable, Sendable {
  /// The configuration that it comes from, as YAML, for whoever replays it; may be empty.
  package var configuration: String
  package var layout: Layout
  package var shape: StepShape
  /// By pipeline rank.
  package var programs: [Program]
  package var routing: RoutingSource

  package init(
    configuration: String = "", layout: Layout, shape: StepShape, programs: [Program],
    routing: RoutingSource
  ) {
    precondition(programs.count == layout.pipeline, "a program for each pipeline rank")
    self.configuration = configuration
    self.layout = layout
    self.shape = shape
    self.programs = programs
    self.routing = routing
  }

  /// Operations of all ranks together.
  package var operationCount: Int {
    programs.reduce(0) { $0 + $1.operations.count } * layout.data
  }
}

/// Sizes that the operations refer to.
package struct StepShape: Hashable, Sendable {
  /// Tokens of a sequence, and sequences of a micro-batch.
  package var sequenceLength: Int
  package var sequences: Int
  /// Micro-batches of a step for each data rank.
  package var microbatches: Int
  /// Layers of the main model, and MTP blocks behind them.
  package var layers: Int
  package var mtpDepth: Int
  package var routedExperts: Int
  package var expertsPerToken: Int

  package init(
    sequenceLength: Int, sequences: Int, microbatches: Int, layers: Int, mtpDepth: Int,
    routedExperts: Int, expertsPerToken: Int
  ) {
    self.sequenceLength = sequenceLength
    self.sequences = sequences
    self.microbatches = microbatches
    self.layers = layers
    self.mtpDepth = mtpDepth
    self.routedExperts = routedExperts
    self.expertsPerToken = expertsPerToken
  }

  /// The shape of a step of `spec`.
  package init(_ spec: ModelSpec, sequenceLength: Int, sequences: Int, microbatches: Int) {
    self.init(
      sequenceLength: sequenceLength, sequences: sequences, microbatches: microbatches,
      layers: spec.layers, mtpDepth: spec.mtpDepth, routedExperts: spec.routedExperts,
      expertsPerToken: spec.expertsPerToken)
  }

  /// Tokens of a micro-batch.
  package var tokens: Int { sequenceLength * sequences }

  /// Tokens of a micro-batch that pass a layer: MTP module k predicts from the first T − k
  /// positions of a sequence.
  package func tokens(layer: Int) -> Int {
    max(sequenceLength - max(layer - layers + 1, 0), 0) * sequences
  }
}

/// Where the rows of an exchange come from.
package enum RoutingSource: Hashable, Sendable {
  /// No expert is on another rank.
  case none
  /// Every micro-batch of a layer sends these rows, whatever its rank: by layer, MTP blocks behind
  /// the main layers. From `BalancedRouting`, where all expert groups lie alike on nodes.
  case balanced([RoutedRows])
  /// What the routers of a run chose.
  case recorded(RecordedRouting)
  /// Drawn from skewed popularity.
  case sampled(SampledRouting)
}

/// The rows of each layer, micro-batch and data rank of a run.
package struct RecordedRouting: Hashable, Sendable {
  package struct Key: Hashable, Sendable, Comparable {
    package var layer: Int32
    package var microbatch: Int32
    package var dataRank: Int32

    package init(layer: Int, microbatch: Int, dataRank: Int) {
      self.layer = Int32(layer)
      self.microbatch = Int32(microbatch)
      self.dataRank = Int32(dataRank)
    }

    package static func < (left: Key, right: Key) -> Bool {
      (left.layer, left.microbatch, left.dataRank)
        < (right.layer, right.microbatch, right.dataRank)
    }
  }

  package var rows: [Key: RoutedRows]

  package init(rows: [Key: RoutedRows] = [:]) { self.rows = rows }
}

extension RoutingSource {
  /// The rows that data rank `dataRank` sends for a micro-batch of a layer; nil when a recording
  /// lacks them, or nothing is sent.
  package func rows(layer: Int, microbatch: Int, dataRank: Int) -> RoutedRows? {
    switch self {
    case .none: nil
    case .balanced(let rows): rows[layer]
    case .recorded(let table):
      table.rows[.init(layer: layer, microbatch: microbatch, dataRank: dataRank)]
    case .sampled(let sampled):
      sampled.rows(layer: layer, microbatch: microbatch, dataRank: dataRank)
    }
  }
}
