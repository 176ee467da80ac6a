// Whose event comes next: a tournament over one time for each rank and group. Equal times go to
// the lower number, so that the order is the same everywhere.

/// A winner tree of instants in picoseconds; `never` for who has nothing to come.
struct TimeTree: ~Copyable {
  static let never = Int64.max

  private let leaves: Int
  /// Time by leaf, then padding that never wins.
  private let times: UnsafeMutablePointer<Int64>
  /// Winner's number by node, 1 at the root; leaves are at `leaves...`.
  private let winners: UnsafeMutablePointer<Int32>

  init(count: Int) {
    var leaves = 1
    while leaves < count { leaves *= 2 }
    self.leaves = leaves
    times = .allocate(capacity: leaves)
    times.initialize(repeating: Self.never, count: leaves)
    winners = .allocate(capacity: 2 * leaves)
    winners.initialize(repeating: 0, count: 2 * leaves)
    for leaf in 0..<leaves { winners[leaves + leaf] = Int32(leaf) }
    for node in stride(from: leaves - 1, through: 1, by: -1) { winners[node] = winners[2 * node] }
  }

  deinit {
    times.deallocate()
    winners.deallocate()
  }

  subscript(_ leaf: Int) -> Int64 { times[leaf] }

  /// The next event: its leaf and time.
  var first: (leaf: Int, time: Int64) {
    let winner = Int(winners[1])
    return (winner, times[winner])
  }

  /// O(log count), and less where the tree's upper part stays.
  func set(_ leaf: Int, _ time: Int64) {
    guard times[leaf] != time else { return }
    times[leaf] = time
    var node = (leaves + leaf) / 2
    while node >= 1 {
      let left = winners[2 * node]
      let right = winners[2 * node + 1]
      winners[node] = times[Int(right)] < times[Int(left)] ? right : left
      node /= 2
    }
  }
}
