// What the ranks tell each other with the figures of every step, at no further message: how the
// checkpoint is getting on, and what somebody has asked of the run.

/// What somebody asks of a run while it trains.
package enum RunRequest: Int, Sendable, Comparable {
  case none
  /// A checkpoint now.
  case checkpoint
  /// A checkpoint now, and then the end.
  case stop

  package static func < (a: RunRequest, b: RunRequest) -> Bool { a.rawValue < b.rawValue }
}

/// Where a rank's requests come from: signals, in the worker.
package struct RunRequests {
  /// The request to this rank, if there is one, and may be asked for once a step.
  package var pending: () -> RunRequest
  /// All ranks know of a request, of this rank or another one, and act on it.
  package var settle: () -> Void

  package init(pending: @escaping () -> RunRequest, settle: @escaping () -> Void) {
    self.pending = pending
    self.settle = settle
  }

  package static var none: RunRequests { RunRequests(pending: { .none }, settle: {}) }
}

/// One rank's news, or those of all: of each the most.
package struct StepNews: Equatable, Sendable {
  /// A rank hasn't written its part of the checkpoint yet.
  package var isWriting = false
  /// A rank couldn't write it.
  package var hasFailed = false
  package var request = RunRequest.none

  package init() {}

  /// As numbers, of which the largest over ranks is everybody's news.
  var numbers: [Double] { [isWriting ? 1 : 0, hasFailed ? 1 : 0, Double(request.rawValue)] }

  init(numbers: ArraySlice<Double>) {
    let numbers = Array(numbers)
    isWriting = numbers[0] > 0
    hasFailed = numbers[1] > 0
    request = RunRequest(rawValue: Int(numbers[2])) ?? .none
  }
}
