// The gate of DeepSeekMoE (report section 2.1.2, eq. 13–16): sigmoid affinities, experts chosen by
// affinity plus a bias that only selection sees, within the groups that score best, gates
// normalised over the chosen ones.

package import Kernels
package import ModelSpec

/// The choice of experts of some tokens.
package final class Routing {
  package let tokens: Int
  package let expertsPerToken: Int
  /// [tokens, expertsPerToken], ascending expert numbers in each row.
  package let experts: UnsafeMutableBufferPointer<Int32>
  /// [tokens, expertsPerToken]
  package let gates: Tensor
  /// Affinities s [tokens, experts].
  package let scores: Tensor
  private let counted: CountedBytes

  init(tokens: Int, expertsPerToken: Int, scores: Tensor) {
    self.tokens = tokens
    self.expertsPerToken = expertsPerToken
    self.scores = scores
    experts = .allocate(capacity: tokens * expertsPerToken)
    experts.initialize(repeating: 0)
    gates = Tensor(tokens, expertsPerToken, for: .activations)
    counted = CountedBytes(tokens * expertsPerToken * 4, for: .activations)
  }

  deinit { experts.deallocate() }

  /// First of the expert numbers; valid while this value lives.
  package var expertPointer: UnsafePointer<Int32> {
    guard let base = experts.baseAddress else { preconditionFailure("allocated, maybe empty") }
    return UnsafePointer(base)
  }
}

package final class Router {
  let spec: ModelSpec
  let weight: Linear
  /// Chooses in place of the affinities, for benchmarks. Gates and gradients are still the chosen
  /// experts' affinities'.
  package var balanced: BalancedRouting?
  /// e_score_correction_bias [1, experts]: moved by the load, not by a gradient.
  package let bias: Tensor
  /// Tokens routed to each expert since the last `resetLoad()`.
  package private(set) var load: [Int]

  package init(_ spec: ModelSpec, weight: Linear, bias: Tensor) {
    self.spec = spec
    self.weight = weight
    self.bias = bias
    load = Array(repeating: 0, count: spec.routedExperts)
  }

  package func resetLoad() {
    for expert in load.indices { load[expert] = 0 }
  }

  /// Chooses experts for x [tokens, hidden]. Equal scores go to the lower number.
  package func route(_ x: Tensor) -> Routing {
    let scores = Tensor(x.rows, spec.routedExperts, for: .activations)
    weight.forward(x.matrix, into: scores.matrix)
    sigmoidInPlace(scores.matrix)
    let routing = Routing(
      tokens: x.rows, expertsPerToken: spec.expertsPerToken, scores: scores)
    choose(routing)
    for token in 0..<x.rows {
      let row = scores.matrix.row(token)
      let gates = routing.gates.matrix.row(token)
      var sum: Float = 0
      for k in 0..<spec.expertsPerToken {
        let expert = Int(routing.experts[token * spec.expertsPerToken + k])
        load[expert] += 1
        gates[k] = row[expert]
        sum += row[expert]
      }
      // 1e-20 as the reference: only guards a division by zero.
      let factor =
        Float(spec.routedScalingFactor) / (spec.normalisesGates ? sum + 1e-20 : 1)
      for k in 0..<spec.expertsPerToken { gates[k] *= factor }
    }
    return routing
  }

  /// Fills in the experts of every token.
  private func choose(_ routing: Routing) {
    var selection = ExpertSelection(spec)
    let count = spec.expertsPerToken
    for token in 0..<routing.tokens {
      let slots = UnsafeMutableBufferPointer(
        rebasing: routing.experts[token * count..<(token + 1) * count])
      if let balanced {
        balanced.choose(token: token, into: slots)
      } else {
        selection.choose(routing.scores.matrix.row(token), bias: bias.base)
        _ = slots.update(fromContentsOf: selection.chosen)
      }
    }
  }

  /// Gradient of the logits [tokens, experts] from the gates' gradient [tokens, expertsPerToken].
  package func logitGradient(_ routing: Routing, gateGradients: Matrix) -> Tensor {
    let gradient = Tensor.zeros(routing.tokens, spec.routedExperts)
    let count = spec.expertsPerToken
    let scale = Float(spec.routedScalingFactor)
    for token in 0..<routing.tokens {
      let scores = routing.scores.matrix.row(token)
      let gates = routing.gates.matrix.row(token)
      let dGates = gateGradients.row(token)
      let target = gradient.matrix.row(token)
      var sum: Float = 0
      var mixed: Float = 0
      for k in 0..<count {
        sum += scores[Int(routing.experts[token * count + k])]
        mixed += dGates[k] * gates[k]
      }
      for k in 0..<count {
        let expert = Int(routing.experts[token * count + k])
        let s = scores[expert]
        let dScore =
          spec.normalisesGates ? (scale * dGates[k] - mixed) / (sum + 1e-20) : scale * dGates[k]
        target[expert] = dScore * s * (1 - s)
      }
    }
    return gradient
  }

  /// b += γ for underloaded experts, −= γ for overloaded ones (section 2.1.2); `load` is the whole
  /// batch's, over all ranks. An expert exactly at the mean stays.
  package func updateBias(load: [Int], speed: Double) {
    let total = load.reduce(0, +)
    for expert in load.indices {
      let difference = total - load[expert] * load.count
      bias.base[expert] += Float(speed) * Float(difference.signum())
    }
  }
}

/// Group-limited top-k for one token at a time, with its scratch space.
struct ExpertSelection {
  let spec: ModelSpec
  /// Chosen experts, ascending.
  private(set) var chosen: [Int32]
  private var biased: [Float]
  private var groupScores: [Float]
  private var taken: [Bool]

  init(_ spec: ModelSpec) {
    self.spec = spec
    chosen = Array(repeating: 0, count: spec.expertsPerToken)
    biased = Array(repeating: 0, count: spec.routedExperts)
    groupScores = Array(repeating: 0, count: spec.expertGroups)
    taken = Array(repeating: false, count: spec.routedExperts)
  }

  mutating func choose(_ scores: UnsafePointer<Float>, bias: UnsafePointer<Float>) {
    for expert in 0..<spec.routedExperts { biased[expert] = scores[expert] + bias[expert] }
    if spec.groupsPerToken < spec.expertGroups { maskGroups() }
    for expert in taken.indices { taken[expert] = false }
    for _ in 0..<spec.expertsPerToken {
      var best = -1
      for expert in 0..<spec.routedExperts
      where !taken[expert] && (best < 0 || biased[expert] > biased[best]) {
        best = expert
      }
      taken[best] = true
    }
    var k = 0
    for expert in 0..<spec.routedExperts where taken[expert] {
      chosen[k] = Int32(expert)
      k += 1
    }
  }

  /// Sets the biased scores outside the best groups to −∞; a group scores the sum of its best two.
  private mutating func maskGroups() {
    let size = spec.routedExperts / spec.expertGroups
    for group in 0..<spec.expertGroups {
      var (first, second) = (-Float.infinity, -Float.infinity)
      for expert in group * size..<(group + 1) * size {
        let value = biased[expert]
        if value > first {
          (first, second) = (value, first)
        } else if value > second {
          second = value
        }
      }
      groupScores[group] = size == 1 ? first : first + second
    }
    for group in 0..<spec.expertGroups {
      let score = groupScores[group]
      var better = 0
      for other in 0..<spec.expertGroups
      where groupScores[other] > score || (groupScores[other] == score && other < group) {
        better += 1
      }
      if better >= spec.groupsPerToken {
        for expert in group * size..<(group + 1) * size { biased[expert] = -.infinity }
      }
    }
  }
}
