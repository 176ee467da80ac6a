// How many micro-batches' activations a rank holds at once, counted from the objects that hold
// them and not from the schedule's list, so that the count can be compared with what the analysis
// of the list says (ScheduleAnalysis.peakActivations and peakActivationsToWeight).

internal import MessagePassing
internal import Model
internal import ModelSpec

/// Most (stage, micro-batch) activations that one rank held at once.
package struct ActivationPeaks: Equatable, Sendable {
  /// From the start of a forward to the end of its `B` or `I`.
  package var toInput = 0
  /// The same, but a split backward's to the end of its `W`.
  package var toWeight = 0

  package init() {}

  package init(toInput: Int, toWeight: Int) {
    self.toInput = toInput
    self.toWeight = toWeight
  }

  /// The larger of each.
  package func union(_ other: ActivationPeaks) -> ActivationPeaks {
    ActivationPeaks(
      toInput: max(toInput, other.toInput), toWeight: max(toWeight, other.toWeight))
  }

  /// The peaks of all pipeline ranks, the most over their data ranks. Collective over `world`.
  func byPipelineRank(_ layout: Layout, _ world: Communicator) throws -> [ActivationPeaks] {
    var all = Array(repeating: 0.0, count: 2 * layout.pipeline)
    let own = layout.pipelineRank(of: world.rank)
    all[2 * own] = Double(toInput)
    all[2 * own + 1] = Double(toWeight)
    let most = try world.allReduceMax(all)
    return (0..<layout.pipeline).map {
      ActivationPeaks(toInput: Int(most[2 * $0]), toWeight: Int(most[2 * $0 + 1]))
    }
  }
}

/// Watches passes and their pending weight halves without keeping them alive.
struct HeldActivations {
  private struct Held {
    weak var pass: StagePass?
    weak var weights: WeightGradients?
  }

  private var held: [Held] = []
  private(set) var peaks = ActivationPeaks()

  /// A forward begins: counts what is alive together with it. O(what is alive).
  mutating func begin(_ pass: StagePass) {
    held.removeAll { $0.pass == nil && $0.weights == nil }
    held.append(Held(pass: pass))
    let now = ActivationPeaks(
      toInput: held.count { $0.pass != nil }, toWeight: held.count)
    peaks = peaks.union(now)
  }

  /// The weight half of `pass` will be done later; until then `weights` holds its activations.
  mutating func postpone(_ weights: WeightGradients, of pass: StagePass) {
    guard let index = held.firstIndex(where: { $0.pass === pass }) else {
      preconditionFailure("a backward follows its forward")
    }
    held[index].weights = weights
  }
}
