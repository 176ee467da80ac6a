// The end of a search: input and weight halves that stand together become one full backward again
// where nothing is lost by it, so that a list is not longer than it has to be.

extension FlatOrder {
  /// The order with I and its W as one B wherever they are neighbours and the makespan stays.
  /// Evaluates at most about `budget` actions.
  func joined(_ clock: OrderClock, makespan: Int, budget: Int) -> FlatOrder {
    var result = self
    let first = clock.evaluated
    for rank in 0..<ranks {
      // All at once if that is free, else one after the other.
      var whole = result
      whole.setList(Self.joined(Array(result.list(rank))), of: rank)
      if clock.makespan(whole).map({ $0 <= makespan }) ?? false {
        result = whole
        continue
      }
      var index = 0
      while index + 1 < result.counts[rank], clock.evaluated - first < budget {
        var attempt = result
        let list = Array(result.list(rank))
        let pair = Array(list[index...(index + 1)])
        let one = Self.joined(pair)
        if one.count == 1 {
          attempt.setList(Array(list[..<index]) + one + Array(list[(index + 2)...]), of: rank)
          if clock.makespan(attempt).map({ $0 <= makespan }) ?? false { result = attempt }
        }
        index += 1
      }
    }
    return result
  }

  private static func joined(_ list: [FlatAction]) -> [FlatAction] {
    var joined: [FlatAction] = []
    for action in list {
      if action.isWeight, let last = joined.last, last.isInput, last.backCell == action.backCell {
        joined[joined.count - 1] = .back(action.backCell, .full)
      } else {
        joined.append(action)
      }
    }
    return joined
  }
}
