// What a schedule's actions cost on this machine: processor time by stage and kind, for
// `dsv3 schedule analyze --times`. Processor time and not the wall's, as ranks share cores; it
// describes this machine and has no part in what is trained.

internal import Glibc
package import JSON
internal import MessagePassing
internal import ModelSpec
internal import Schedules

/// Sums of processor time and counts, by stage.
package struct ActionTimes {
  /// The kinds that are timed; a pair counts for the stage of its forward.
  enum Kind: Int, CaseIterable {
    case forward, backward, input, weight, pair
  }

  let stages: Int
  /// By kind × stages + stage: seconds of the thread, and how often.
  private var seconds: [Double]
  private var counts: [Double]

  init(stages: Int) {
    self.stages = stages
    seconds = Array(repeating: 0, count: Kind.allCases.count * stages)
    counts = seconds
  }

  /// Runs `body`; what it takes counts for `action`, unless that is a send or a receive.
  mutating func timing(_ action: Action, _ body: () throws -> Void) rethrows {
    guard let (kind, stage) = Self.place(of: action) else { return try body() }
    let start = Self.now()
    try body()
    let index = kind.rawValue * stages + stage
    seconds[index] += Self.now() - start
    counts[index] += 1
  }

  private static func place(of action: Action) -> (Kind, Int)? {
    switch action {
    case .forward(let cell): (.forward, cell.stage)
    case .backward(let cell): (.backward, cell.stage)
    case .backwardInput(let cell): (.input, cell.stage)
    case .backwardWeight(let cell): (.weight, cell.stage)
    case .overlapped(let cell, _): (.pair, cell.stage)
    case .sendForward, .receiveForward, .sendBackward, .receiveBackward: nil
    }
  }

  /// Seconds that this thread had a processor.
  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// The sums over all ranks. Collective; every rank gets the same.
  func summed(over world: Communicator) throws -> ActionTimes {
    var sum = self
    let values = try world.allReduceSum(seconds + counts)
    sum.seconds = Array(values.prefix(seconds.count))
    sum.counts = Array(values.suffix(counts.count))
    return sum
  }

  /// Mean seconds of an action: `f`, `b`, `i`, `w` lists by stage with null where a stage had none,
  /// `fb` the mean over all pairs or null.
  package var json: JSONValue {
    func list(_ kind: Kind) -> JSONValue {
      .array(
        (0..<stages).map { stage in
          let index = kind.rawValue * stages + stage
          return counts[index] > 0 ? .number(seconds[index] / counts[index]) : .null
        })
    }
    let pairs = (Kind.pair.rawValue * stages)..<((Kind.pair.rawValue + 1) * stages)
    let pairCount = counts[pairs].reduce(0, +)
    let pair = pairCount > 0 ? JSONValue.number(seconds[pairs].reduce(0, +) / pairCount) : .null
    return .object([
      "about": .string("mean processor seconds of an action on one micro-batch, by stage"),
      "f": list(.forward), "b": list(.backward), "i": list(.input), "w": list(.weight), "fb": pair,
    ])
  }
}
