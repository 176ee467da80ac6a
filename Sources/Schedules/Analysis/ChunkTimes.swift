// What the actions of a schedule cost, in integers of any unit the caller likes, so that analysis
// is exact.

/// Durations of a schedule's actions. A full backward takes input + weight.
package struct ChunkTimes: Hashable, Sendable {
  /// A duration for all stages, or one for each.
  package enum PerStage: Hashable, Sendable, ExpressibleByIntegerLiteral {
    case uniform(Int)
    case each([Int])

    package init(integerLiteral value: Int) { self = .uniform(value) }

    package subscript(stage: Int) -> Int {
      switch self {
      case .uniform(let time): time
      case .each(let times): times[stage]
      }
    }

    fileprivate func fits(stages: Int) -> Bool {
      switch self {
      case .uniform(let time): ChunkTimes.range.contains(time)
      case .each(let times):
        times.count == stages && times.allSatisfy { ChunkTimes.range.contains($0) }
      }
    }
  }

  package var forward: PerStage
  package var input: PerStage
  package var weight: PerStage
  /// An overlapped pair; nil for the sum of its parts.
  package var overlapped: Int?
  /// From the end of an action to the arrival of its value on another rank.
  package var transfer: Int

  package init(
    forward: PerStage = 1, input: PerStage = 1, weight: PerStage = 1, overlapped: Int? = nil,
    transfer: Int = 0
  ) {
    self.forward = forward
    self.input = input
    self.weight = weight
    self.overlapped = overlapped
    self.transfer = transfer
  }

  /// Durations that sums over the largest schedule cannot overflow.
  package static let range = 0...(1 << 38)

  /// Whether every duration is in `range`, and lists have an entry for each stage.
  package func fit(stages: Int) -> Bool {
    forward.fits(stages: stages) && input.fits(stages: stages) && weight.fits(stages: stages)
      && Self.range.contains(overlapped ?? 0) && Self.range.contains(transfer)
  }

  /// How long `action` keeps its rank; communication keeps it for no time.
  package func duration(of action: Action) -> Int {
    switch action {
    case .forward(let cell): forward[cell.stage]
    case .backward(let cell): input[cell.stage] + weight[cell.stage]
    case .backwardInput(let cell): input[cell.stage]
    case .backwardWeight(let cell): weight[cell.stage]
    case .overlapped(let ahead, let back):
      overlapped ?? forward[ahead.stage] + input[back.stage] + weight[back.stage]
    case .sendForward, .receiveForward, .sendBackward, .receiveBackward: 0
    }
  }
}
