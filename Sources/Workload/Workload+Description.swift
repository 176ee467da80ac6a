// A workload in words, an operation a line, for people.

internal import ModelSpec

extension Workload {
  /// Layout, shape and routing, then every operation of the pipeline ranks, as
  /// `rank 3 op 17 dispatch(F) layer 5 mb 2 after 16`. All data ranks of a pipeline rank do the
  /// same.
  package func describe() -> [String] { heading + programs.indices.flatMap(describe) }

  /// The operations of one pipeline rank.
  package func describe(pipelineRank: Int) -> [String] {
    programs[pipelineRank].operations.enumerated().map { number, operation in
      "rank \(pipelineRank) op \(number) \(operation)"
    }
  }

  private var heading: [String] {
    [
      "layout pipeline \(layout.pipeline) data \(layout.data) expert \(layout.expert) "
        + "gpus_per_node \(layout.gpusPerNode)",
      "step sequence \(shape.sequenceLength) sequences \(shape.sequences) "
        + "microbatches \(shape.microbatches) layers \(shape.layers) mtp \(shape.mtpDepth) "
        + "experts \(shape.routedExperts) per token \(shape.expertsPerToken)",
      "routing \(routing.summary)",
      "operations \(operationCount) on \(layout.worldSize) ranks",
    ]
  }
}

extension RoutingSource {
  fileprivate var summary: String {
    switch self {
    case .none: "none"
    case .balanced: "balanced"
    case .recorded(let table): "recorded, \(table.rows.count) rows"
    case .sampled(let sampled):
      "sampled, seed \(sampled.seed) skew \(sampled.skew) draws \(sampled.draws)"
    }
  }
}

extension Operation: CustomStringConvertible {
  /// As `dispatch(F) layer 5 mb 2 after 16`.
  package var description: String {
    var words = [pass == .update ? "\(kind)" : "\(kind)(\(pass.letter))"]
    if pass == .update { words.append("group \(tokens)") }
    if layer >= 0 { words.append("layer \(layer)") }
    if stream == .pipeline { words.append("stage \(stage)") }
    if microbatch >= 0 { words.append("mb \(microbatch)") }
    if peer >= 0 { words.append("\(kind == .send ? "to" : "from") rank \(peer)") }
    let numbers = after.numbers.map(String.init)
    if !numbers.isEmpty { words.append("after " + numbers.joined(separator: " ")) }
    return words.joined(separator: " ")
  }
}

extension Pass {
  /// As in a schedule's text form: F, I, W; U for the update.
  fileprivate var letter: String {
    switch self {
    case .forward: "F"
    case .input: "I"
    case .weight: "W"
    case .update: "U"
    }
  }
}
