// The times of given lists, as ScheduleAnalysis has them, fast: integers in flat memory, each
// action touched once, a rank that waits woken by the action it waits for. Also who made whom wait
// (the critical path) and what a list holds.

/// Evaluates orders of one shape. Not for sharing between threads.
package final class OrderClock {
  let shape: SearchShape
  private let stride: Int
  /// By cell: rank and durations.
  private let rank: UnsafeMutablePointer<Int32>
  private let forwardTime: UnsafeMutablePointer<Int>
  private let inputTime: UnsafeMutablePointer<Int>
  private let weightTime: UnsafeMutablePointer<Int>
  /// By 2 × cell + (0 activation, 1 gradient): when it was made, −1 before, and by which action.
  private let made: UnsafeMutablePointer<Int>
  private let maker: UnsafeMutablePointer<Int32>
  /// By action, its place in the order's array.
  private let start: UnsafeMutablePointer<Int>
  private let end: UnsafeMutablePointer<Int>
  /// By rank: next action, clock, the value it waits for (−1 none), and ranks to go on with.
  private let next: UnsafeMutablePointer<Int>
  private let clock: UnsafeMutablePointer<Int>
  private let awaited: UnsafeMutablePointer<Int>
  private let runnable: UnsafeMutablePointer<Int>
  /// By cell, how far a list has come with it.
  private let progress: UnsafeMutablePointer<UInt8>
  /// Actions evaluated so far, the measure of effort.
  package private(set) var evaluated = 0

  package init(_ shape: SearchShape) {
    self.shape = shape
    let order = FlatOrder(shape)
    stride = order.stride
    func room<T>(_ count: Int, _ value: T) -> UnsafeMutablePointer<T> {
      let pointer = UnsafeMutablePointer<T>.allocate(capacity: max(count, 1))
      pointer.initialize(repeating: value, count: max(count, 1))
      return pointer
    }
    let cells = shape.cells
    rank = room(cells, 0)
    forwardTime = room(cells, 0)
    inputTime = room(cells, 0)
    weightTime = room(cells, 0)
    made = room(2 * cells, -1)
    maker = room(2 * cells, -1)
    start = room(order.actions.count, 0)
    end = room(order.actions.count, 0)
    next = room(shape.ranks, 0)
    clock = room(shape.ranks, 0)
    awaited = room(shape.ranks, -1)
    runnable = room(shape.ranks, 0)
    progress = room(cells, 0)
    for cell in 0..<cells {
      let stage = cell / shape.microbatches
      rank[cell] = shape.holder[cell]
      forwardTime[cell] = shape.forward[stage]
      inputTime[cell] = shape.input[stage]
      weightTime[cell] = shape.weight[stage]
    }
  }

  deinit {
    rank.deallocate()
    forwardTime.deallocate()
    inputTime.deallocate()
    weightTime.deallocate()
    made.deallocate()
    maker.deallocate()
    start.deallocate()
    end.deallocate()
    next.deallocate()
    clock.deallocate()
    awaited.deallocate()
    runnable.deallocate()
    progress.deallocate()
  }

  /// The makespan in half units; nil when the ranks wait for each other in a ring.
  package func makespan(_ order: FlatOrder) -> Int? {
    precondition(order.stride == stride, "the order is of this shape")
    made.update(repeating: -1, count: 2 * shape.cells)
    for index in 0..<shape.ranks {
      next[index] = 0
      clock[index] = 0
      awaited[index] = -1
      runnable[index] = shape.ranks - 1 - index
    }
    var waiting = shape.ranks
    order.actions.withUnsafeBufferPointer { actions in
      order.counts.withUnsafeBufferPointer { counts in
        while waiting > 0 {
          waiting -= 1
          let rank = runnable[waiting]
          waiting = run(rank, actions, counts[rank], waiting)
        }
      }
    }
    var latest = 0
    var isComplete = true
    for index in 0..<shape.ranks {
      evaluated += next[index]
      latest = max(latest, clock[index])
      isComplete = isComplete && next[index] == order.counts[index]
    }
    return isComplete ? latest : nil
  }

  /// Runs a rank until it waits or ends; the number of runnable ranks then.
  private func run(
    _ own: Int, _ actions: UnsafeBufferPointer<FlatAction>, _ count: Int, _ runnableCount: Int
  ) -> Int {
    let microbatches = shape.microbatches
    let cells = shape.cells
    let overlapped = shape.overlapped ?? -1
    var runnableCount = runnableCount
    var index = next[own]
    var time = clock[own]
    while index < count {
      let place = own * stride + index
      let action = actions[place]
      let ahead = Int(action.forward)
      let back = Int(action.back >> 2)
      let part = action.back & 3
      var begin = time
      var duration = 0
      if ahead >= 0 {
        duration = forwardTime[ahead]
        if ahead >= microbatches {
          guard let arrival = arrival(2 * (ahead - microbatches), own) else { break }
          begin = max(begin, arrival)
        }
      }
      if action.back >= 0 {
        if part == FlatAction.Part.weight.rawValue {
          if made[2 * back + 1] < 0 { break }
          duration = weightTime[back]
        } else {
          if made[2 * back] < 0 { break }
          if back + microbatches < cells {
            guard let arrival = arrival(2 * (back + microbatches) + 1, own) else { break }
            begin = max(begin, arrival)
          }
          duration += inputTime[back]
          if part == FlatAction.Part.full.rawValue { duration += weightTime[back] }
          if ahead >= 0 && overlapped >= 0 { duration = overlapped }
        }
      }
      time = begin + duration
      start[place] = begin
      end[place] = time
      if ahead >= 0 {
        made[2 * ahead] = time
        maker[2 * ahead] = Int32(truncatingIfNeeded: place)
        if ahead + microbatches < cells {
          runnableCount = wake(Int(rank[ahead + microbatches]), 2 * ahead, runnableCount)
        }
      }
      if action.back >= 0 && part != FlatAction.Part.weight.rawValue {
        made[2 * back + 1] = time
        maker[2 * back + 1] = Int32(truncatingIfNeeded: place)
        if back >= microbatches {
          runnableCount = wake(Int(rank[back - microbatches]), 2 * back + 1, runnableCount)
        }
      }
      index += 1
    }
    next[own] = index
    clock[own] = time
    return runnableCount
  }

  /// When a value reaches a rank; notes that it waits if that is not known.
  @inline(__always)
  private func arrival(_ value: Int, _ own: Int) -> Int? {
    let ready = made[value]
    guard ready >= 0 else {
      awaited[own] = value
      return nil
    }
    return Int(rank[value >> 1]) == own ? ready : ready + shape.transfer
  }

  @inline(__always)
  private func wake(_ rank: Int, _ value: Int, _ count: Int) -> Int {
    guard awaited[rank] == value else { return count }
    awaited[rank] = -1
    runnable[count] = rank
    return count + 1
  }

  /// Mean over ranks of the last end, of the order evaluated last.
  var meanFinish: Int {
    var sum = 0
    for index in 0..<shape.ranks { sum += clock[index] / shape.ranks }
    return sum
  }
}

extension OrderClock {
  /// The most chunks that `rank` holds, from the start of F to the end of B or W; nil when the
  /// list has a backward before its forward or a W before its I.
  func peak(_ order: FlatOrder, rank: Int) -> Int? {
    let first = rank * stride
    let count = order.counts[rank]
    return order.actions.withUnsafeBufferPointer { actions in
      for index in first..<(first + count) {
        let action = actions[index]
        if action.forward >= 0 { progress[Int(action.forward)] = 0 }
      }
      var held = 0
      var most = 0
      for index in first..<(first + count) {
        let action = actions[index]
        if action.back >= 0 {
          let isWeight = action.back & 3 == FlatAction.Part.weight.rawValue
          guard progress[Int(action.back >> 2)] == (isWeight ? 2 : 1) else { return nil }
          progress[Int(action.back >> 2)] = 2
        }
        if action.forward >= 0 {
          progress[Int(action.forward)] = 1
          held += 1
          most = max(most, held)
        }
        if action.back >= 0 && action.back & 3 != FlatAction.Part.input.rawValue { held -= 1 }
      }
      return most
    }
  }

  /// The most chunks that any rank holds; nil when some list cannot be run.
  package func peak(_ order: FlatOrder) -> Int? {
    var most = 0
    for rank in 0..<shape.ranks {
      guard let peak = peak(order, rank: rank) else { return nil }
      most = max(most, peak)
    }
    return most
  }

  /// Whether every list is in an order that a rank can run, within the limit.
  func fits(_ order: FlatOrder) -> Bool { peak(order).map { $0 <= shape.limit } ?? false }

  /// The places, last first, of a chain of actions without slack in the order evaluated last, from
  /// one that ends it to one that starts at 0. Where two predecessors are critical, chance takes.
  func criticalPath(
    _ order: FlatOrder, into path: inout [Int], _ random: inout SplitMix64
  ) {
    path.removeAll(keepingCapacity: true)
    var latest = 0
    for rank in 1..<max(shape.ranks, 1) {
      let later = clock[rank] > clock[latest]
      if later || (clock[rank] == clock[latest] && random.chance(128)) { latest = rank }
    }
    guard order.counts[latest] > 0 else { return }
    var place = latest * stride + order.counts[latest] - 1
    while path.count <= order.actions.count {
      path.append(place)
      let isFirst = place % stride == 0
      let followsOwn = !isFirst && end[place - 1] == start[place]
      let source = criticalSource(order.actions[place], at: place)
      if let source, !followsOwn || random.chance(96) {
        place = source
      } else if followsOwn {
        place -= 1
      } else {
        return
      }
    }
  }

  /// The action whose value arrives just when the action at `place` starts.
  private func criticalSource(_ action: FlatAction, at place: Int) -> Int? {
    let own = place / stride
    func source(_ value: Int) -> Int? {
      let arrival = made[value] + (Int(rank[value / 2]) == own ? 0 : shape.transfer)
      let maker = Int(maker[value])
      return arrival == start[place] && maker != place ? maker : nil
    }
    let microbatches = shape.microbatches
    if action.forward >= microbatches,
      let maker = source(2 * (Int(action.forward) - microbatches))
    {
      return maker
    }
    if action.back >= 0, !action.isWeight, action.backCell + microbatches < shape.cells {
      return source(2 * (action.backCell + microbatches) + 1)
    }
    return nil
  }
}
