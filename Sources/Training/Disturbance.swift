// What goes wrong in a step on this rank because somebody wants to see what happens then. Who wants
// it, and when, the trainer doesn't know; here is how.

internal import Glibc
internal import Kernels
internal import MessagePassing
internal import Model
internal import Schedules

/// The disturbances of one step of one rank.
package struct Disturbance {
  /// Runs before the action of this number of the rank's list; need not return.
  package var interruption: (action: Int, run: () throws -> Void)?
  /// Decides where a NaN goes among the gradients.
  package var spoilsGradient: UInt64?
  /// Decides which bit of which weight flips.
  package var flipsBit: UInt64?
  /// Time that compute takes over what it would take.
  package var slowness = 1.0

  package init() {}
}

/// What disturbs the coming step (from 1), in which the rank has so many actions.
package typealias DisturbanceSource = (_ step: Int, _ actions: Int) throws -> Disturbance

extension Disturbance {
  /// What comes before an action.
  func before(action: Int) throws {
    if let interruption, interruption.action == action { try interruption.run() }
  }

  /// Performs compute, and sleeps as long as slower hardware would take on: a GPU that is slow
  /// takes no time from those of other ranks.
  func stretching(_ body: () throws -> Void) rethrows {
    guard slowness > 1 else { return try body() }
    let start = Self.processorNanoseconds
    try body()
    let pause = Int(Double(Self.processorNanoseconds - start) * (slowness - 1))
    var left = timespec(tv_sec: pause / 1_000_000_000, tv_nsec: pause % 1_000_000_000)
    while true {
      var rest = timespec()
      guard nanosleep(&left, &rest) != 0, errno == EINTR else { return }
      left = rest
    }
  }

  private static var processorNanoseconds: Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  /// Flips a bit of a mantissa, in weights that another rank holds too if there are any: nobody
  /// could notice it in others.
  func flipBit(of optimizer: ShardedOptimizer) {
    guard let flipsBit else { return }
    var random = SeededGenerator(seed: flipsBit)
    let shared = optimizer.groups.filter { $0.communicator.size > 1 }
    let groups = shared.isEmpty ? optimizer.groups : shared
    guard let group = groups.max(by: { $0.group.count < $1.group.count })?.group else { return }
    var total = 0
    group.forEachWorkingPiece { bytes, size in total += bytes.count / size }
    guard total > 0 else { return }
    var place = random.next(below: total)
    group.forEachWorkingPiece { bytes, size in
      let count = bytes.count / size
      defer { place -= count }
      guard (0..<count).contains(place) else { return }
      // Of FP32 the upper part of the mantissa, of BF16 its seven bits, of E4M3 its three.
      bytes[place * size + (size == 4 ? 2 : 0)] ^= 1 << random.next(below: size == 1 ? 3 : 7)
    }
  }

  /// Puts a NaN into one of the gradients.
  func spoilGradient(of model: RankModel) {
    guard let spoilsGradient else { return }
    var random = SeededGenerator(seed: spoilsGradient)
    let groups = model.store.groups.filter { $0.count > 0 }
    guard !groups.isEmpty else { return }
    let group = groups[random.next(below: groups.count)]
    group.gradients.base[random.next(below: group.count)] = .nan
  }
}
