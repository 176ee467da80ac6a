// What a simulated step comes to: the one value that everything that prints, draws or serves
// figures reads, the same from a run and from a simulation (keys: the StepReport of docs).

package import JSON
package import Units

/// The figures of one step.
package struct StepReport: Sendable {
  /// Where the critical rank's step goes; the parts add up to the step.
  package struct Breakdown: Hashable, Sendable {
    package var forwardOnly = VirtualDuration.zero
    package var backwardOnly = VirtualDuration.zero
    package var weightOnly = VirtualDuration.zero
    package var overlapped = VirtualDuration.zero
    package var optimizer = VirtualDuration.zero
    package var bubble = VirtualDuration.zero
  }

  /// Mean time of actions by kind over the critical rank's pipeline, with the exchanges they wait
  /// for; nil where the schedule has none.
  package struct ChunkTimes: Hashable, Sendable {
    package var forward: VirtualDuration?
    package var backward: VirtualDuration?
    package var input: VirtualDuration?
    package var weight: VirtualDuration?
    package var overlapped: VirtualDuration?
  }

  package struct Links: Hashable, Sendable {
    package var nvlinkBytes: Int64 = 0
    package var infinibandBytes: Int64 = 0
    /// Of all ports in one direction, over the step.
    package var nvlinkUtilisation = 0.0
    package var infinibandUtilisation = 0.0
  }

  package var step = VirtualDuration.zero
  package var ranks = 0
  /// Tokens that the step is charged as.
  package var tokens = 0
  /// FLOPs of one token, forward and backward.
  package var flopsPerTokenCausal = 0
  package var flopsPerTokenNonCausal = 0
  package var peak = ComputeRate(flopsPerSecond: 1)
  /// The world rank with the least bubble, whose breakdown this is.
  package var criticalRank = 0
  package var breakdown = Breakdown()
  package var chunks = ChunkTimes()
  /// Waiting of the critical rank's compute for exchanges, and for collectives at the end.
  package var exposed = VirtualDuration.zero
  package var links = Links()
  package var memory = MemoryBytes()
  package var operations = 0
  /// Wall time that the simulation took; the only figure that differs from run to run.
  package var wall = 0.0
  /// What was simulated once for many, or nothing.
  package var folding: String?
  package var exposures: [Exposure] = []
  /// Too little memory, and the like.
  package var warnings: [String] = []
}

extension StepReport {
  package var tokensPerSecond: Double { step.seconds > 0 ? Double(tokens) / step.seconds : 0 }
  package var tokensPerDay: Double { tokensPerSecond * 86_400 }
  package var gpuHoursPerTrillionTokens: Double {
    tokens > 0 ? Double(ranks) * step.seconds / 3600 * 1e12 / Double(tokens) : 0
  }

  /// FLOP/s of each GPU.
  package func rate(causal: Bool) -> ComputeRate {
    let flops = causal ? flopsPerTokenCausal : flopsPerTokenNonCausal
    return ComputeRate(
      flopsPerSecond: ranks > 0 ? Double(flops) * tokensPerSecond / Double(ranks) : 0)
  }

  /// Model FLOPs utilisation: of the dense BF16 peak, whatever precision is charged.
  package func utilisation(causal: Bool) -> Double {
    rate(causal: causal).flopsPerSecond / peak.flopsPerSecond
  }

  package var bubbleFraction: Double {
    step.picoseconds > 0 ? breakdown.bubble.seconds / step.seconds : 0
  }

  /// The value under the contract's keys; without `wall_seconds` it is the same for the same
  /// workload and cluster, to the bit.
  package func json(withWall: Bool = true) -> JSONValue {
    var members: [String: JSONValue] = [
      "step_seconds": .number(step.seconds), "ranks": .integer(ranks),
      "tokens_per_step": .integer(tokens), "tokens_per_second": .number(tokensPerSecond),
      "tokens_per_day": .number(tokensPerDay),
      "gpu_hours_per_trillion_tokens": .number(gpuHoursPerTrillionTokens),
      "mfu_causal": .number(utilisation(causal: true)),
      "mfu_non_causal": .number(utilisation(causal: false)),
      "tflops_causal": .number(rate(causal: true).flopsPerSecond / 1e12),
      "tflops_non_causal": .number(rate(causal: false).flopsPerSecond / 1e12),
      "bubble_seconds": .number(breakdown.bubble.seconds),
      "bubble_fraction": .number(bubbleFraction), "critical_rank": .integer(criticalRank),
      "breakdown": breakdown.json, "chunk_seconds": chunks.json,
      "exposed_communication_seconds": .number(exposed.seconds), "links": links.json,
      "memory_bytes": memory.json, "operations": .integer(operations),
      "folded": folding.map { .string($0) } ?? .null,
      "exposures": .array(exposures.map(\.json)),
      "warnings": .array(warnings.map { .string($0) }),
    ]
    if withWall { members["wall_seconds"] = .number(wall) }
    return .object(members)
  }
}

extension StepReport.Breakdown {
  package var parts: [(name: String, time: VirtualDuration)] {
    [
      ("forward_only", forwardOnly), ("backward_only", backwardOnly), ("weight_only", weightOnly),
      ("overlapped", overlapped), ("optimizer", optimizer), ("bubble", bubble),
    ]
  }

  var json: JSONValue {
    .object(Dictionary(uniqueKeysWithValues: parts.map { ($0.name, .number($0.time.seconds)) }))
  }
}

extension StepReport.ChunkTimes {
  package var parts: [(name: String, time: VirtualDuration?)] {
    [("f", forward), ("b", backward), ("i", input), ("w", weight), ("fb", overlapped)]
  }

  var json: JSONValue {
    .object(
      Dictionary(
        uniqueKeysWithValues: parts.map { ($0.name, $0.time.map { .number($0.seconds) } ?? .null) })
    )
  }
}

extension StepReport.Links {
  var json: JSONValue {
    .object([
      "nvlink_bytes": .integer(Int(nvlinkBytes)),
      "infiniband_bytes": .integer(Int(infinibandBytes)),
      "nvlink_utilisation": .number(nvlinkUtilisation),
      "infiniband_utilisation": .number(infinibandUtilisation),
    ])
  }
}
