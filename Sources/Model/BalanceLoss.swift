// The complementary sequence-wise balance loss (report eq. 17–20):
//   L = α Σᵢ fᵢ Pᵢ,  fᵢ = N_r / (K_r T) Σₜ [i ∈ TopK(s_t)],  Pᵢ = 1/T Σₜ s_{i,t} / Σⱼ s_{j,t}
// for each sequence; the mean over sequences is taken by the caller's weight.

package import Kernels

package enum BalanceLoss {
  /// Which experts count as chosen in fᵢ.
  package enum Reading: Sendable {
    /// Equation 18 to the letter: the K_r largest raw affinities, without bias and groups.
    case equation18
    /// The experts the tokens were really routed to.
    case routed
  }

  /// Loss summed over the sequences, times `weight`; with `addingTo` the gradient of the logits
  /// [tokens, experts] is added there.
  package static func evaluate(
    _ routing: Routing, sequences: Int, weight: Double, reading: Reading = .equation18,
    addingTo logitGradient: Tensor?
  ) -> Double {
    let experts = routing.scores.columns
    let length = routing.tokens / sequences
    // An MTP module deeper than the sequence is long has no position, and no loss.
    guard length > 0 else { return 0 }
    var total = 0.0
    for sequence in 0..<sequences {
      let tokens = sequence * length..<(sequence + 1) * length
      let frequency = frequencies(routing, tokens, reading)
      var loss = 0.0
      for token in tokens {
        let scores = routing.scores.matrix.row(token)
        var sum: Float = 0
        var mixed: Float = 0
        for expert in 0..<experts {
          sum += scores[expert]
          mixed += frequency[expert] * scores[expert]
        }
        let inverse = 1 / (sum + 1e-20)
        loss += Double(mixed * inverse)
        guard let target = logitGradient?.matrix.row(token) else { continue }
        // ds_i = α/T · (f_i − Σ_j f_j s'_j) / Σ s, and ds/dlogit = s (1 − s).
        let factor = Float(weight / Double(length)) * inverse
        let mean = mixed * inverse
        for expert in 0..<experts {
          let s = scores[expert]
          target[expert] += factor * (frequency[expert] - mean) * s * (1 - s)
        }
      }
      total += loss / Double(length) * weight
    }
    return total
  }

  /// fᵢ of one sequence.
  static func frequencies(_ routing: Routing, _ tokens: Range<Int>, _ reading: Reading)
    -> [Float]
  {
    let experts = routing.scores.columns
    let count = routing.expertsPerToken
    var chosen = Array(repeating: 0, count: experts)
    for token in tokens {
      switch reading {
      case .routed:
        for k in 0..<count { chosen[Int(routing.experts[token * count + k])] += 1 }
      case .equation18:
        // Each round takes the largest score below the last one taken (equal ones in order).
        let scores = routing.scores.matrix.row(token)
        var last = (score: Float.infinity, expert: -1)
        for _ in 0..<count {
          var best = -1
          for expert in 0..<experts {
            let score = scores[expert]
            let left = score < last.score || (score == last.score && expert > last.expert)
            if left && (best < 0 || score > scores[best]) { best = expert }
          }
          chosen[best] += 1
          last = (scores[best], best)
        }
      }
    }
    let factor = Float(experts) / Float(count * tokens.count)
    return chosen.map { Float($0) * factor }
  }
}
