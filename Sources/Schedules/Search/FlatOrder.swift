// The lists of all ranks in one array of small integers: what the search changes and evaluates
// some hundred thousand times a second, and then turns back into a schedule.

/// An action as two numbers. A cell is stage × microbatches + microbatch.
package struct FlatAction: Hashable {
  /// The part of a backward.
  enum Part: Int32 {
    case full, input, weight
  }

  /// The cell forwarded, or −1.
  var forward: Int32
  /// Four times the cell backwarded plus the part, or −1.
  var back: Int32

  static func forward(_ cell: Int) -> FlatAction { FlatAction(forward: Int32(cell), back: -1) }

  static func back(_ cell: Int, _ part: Part) -> FlatAction {
    FlatAction(forward: -1, back: Int32(cell) * 4 + part.rawValue)
  }

  static func pair(forward: Int, back: Int) -> FlatAction {
    FlatAction(forward: Int32(forward), back: Int32(back) * 4)
  }

  var isPair: Bool { forward >= 0 && back >= 0 }
  var isLoneForward: Bool { forward >= 0 && back < 0 }
  var isInput: Bool { back >= 0 && back & 3 == Part.input.rawValue }
  var isWeight: Bool { back >= 0 && back & 3 == Part.weight.rawValue }
  /// The cell of the backward part.
  var backCell: Int { Int(back >> 2) }
}

/// By rank, the actions in order.
package struct FlatOrder: Hashable {
  let ranks: Int
  /// Room for each rank's list.
  let stride: Int
  /// Rank r's list begins at r × stride.
  var actions: [FlatAction]
  var counts: [Int]

  /// Empty lists with room for every cell's F, I and W.
  init(_ shape: SearchShape) {
    var cells = [Int](repeating: 0, count: shape.ranks)
    for rank in shape.holder { cells[Int(rank)] += 1 }
    ranks = shape.ranks
    stride = 3 * (cells.max() ?? 0)
    actions = Array(repeating: FlatAction(forward: -1, back: -1), count: ranks * stride)
    counts = Array(repeating: 0, count: ranks)
  }

  /// The lists of `schedule`, whose placement is that of `shape`.
  package init(_ schedule: Schedule, _ shape: SearchShape) {
    self.init(shape)
    func number(_ cell: Cell) -> Int { cell.stage * shape.microbatches + cell.microbatch }
    for (rank, list) in schedule.actions.enumerated() {
      for action in list {
        switch action {
        case .forward(let cell): append(.forward(number(cell)), to: rank)
        case .backward(let cell): append(.back(number(cell), .full), to: rank)
        case .backwardInput(let cell): append(.back(number(cell), .input), to: rank)
        case .backwardWeight(let cell): append(.back(number(cell), .weight), to: rank)
        case .overlapped(let ahead, let back):
          append(.pair(forward: number(ahead), back: number(back)), to: rank)
        case .sendForward, .receiveForward, .sendBackward, .receiveBackward:
          preconditionFailure("a schedule has compute actions only")
        }
      }
    }
  }

  mutating func append(_ action: FlatAction, to rank: Int) {
    actions[rank * stride + counts[rank]] = action
    counts[rank] += 1
  }

  /// A rank's list.
  func list(_ rank: Int) -> ArraySlice<FlatAction> {
    actions[(rank * stride)..<(rank * stride + counts[rank])]
  }

  mutating func setList(_ list: [FlatAction], of rank: Int) {
    precondition(list.count <= stride, "a cell has at most three actions")
    counts[rank] = list.count
    for (index, action) in list.enumerated() { actions[rank * stride + index] = action }
  }

  /// The same lists with every lone full backward as its halves, one behind the other. Nothing
  /// ends later, and the gradient leaves earlier.
  func split() -> FlatOrder {
    var result = self
    for rank in 0..<ranks {
      let list = list(rank).flatMap { action -> [FlatAction] in
        guard action.forward < 0, action.back & 3 == FlatAction.Part.full.rawValue else {
          return [action]
        }
        return [.back(action.backCell, .input), .back(action.backCell, .weight)]
      }
      result.setList(list, of: rank)
    }
    return result
  }

  /// A rank's list with each micro-batch exchanged for its twin in the other half, as the rank
  /// opposite runs it when the two directions of a bidirectional placement mirror each other.
  func mirrored(_ rank: Int, _ shape: SearchShape) -> [FlatAction] {
    let half = Int32(shape.microbatches / 2)
    let count = Int32(shape.microbatches)
    func twin(_ cell: Int32) -> Int32 { cell % count < half ? cell + half : cell - half }
    return list(rank).map { action in
      FlatAction(
        forward: action.forward < 0 ? -1 : twin(action.forward),
        back: action.back < 0 ? -1 : twin(action.back >> 2) << 2 | action.back & 3)
    }
  }

  /// The order in which the second half of the ranks mirrors the first.
  func mirrored(_ shape: SearchShape) -> FlatOrder {
    var result = self
    for rank in 0..<(ranks / 2) { result.setList(mirrored(rank, shape), of: ranks - 1 - rank) }
    return result
  }

  /// The actions of the schedule that these lists are.
  func actions(_ shape: SearchShape) -> [[Action]] {
    func cell(_ number: Int) -> Cell {
      Cell(stage: number / shape.microbatches, microbatch: number % shape.microbatches)
    }
    return (0..<ranks).map { rank in
      list(rank).map { action in
        guard action.back >= 0 else { return .forward(cell(Int(action.forward))) }
        let back = cell(action.backCell)
        if action.forward >= 0 {
          return .overlapped(forward: cell(Int(action.forward)), backward: back)
        }
        if action.isInput { return .backwardInput(back) }
        return action.isWeight ? .backwardWeight(back) : .backward(back)
      }
    }
  }
}
