// The one place where what a rank does becomes operations with dependencies. The builder calls it
// while it walks a schedule, the trainer's recorder while the trainer performs one; both say what
// happens in the order in which it happens, and get the same list.

package import Schedules

/// Writes one rank's operations.
///
/// The rules: compute waits for every transfer that was finished (exchange) or used (message) since
/// the compute before it. A transfer starts behind the compute before it, and behind what was
/// finished or used since; exchanges wait for no exchange, whose stream is in order anyway, and a
/// send for no message of the other direction.
package struct OperationWriter: Sendable {
  package private(set) var operations: [Operation] = []
  package private(set) var actions: [ActionClass] = []
  private var lastCompute = -1
  /// Transfers that the next compute waits for, in the order in which they were finished or used;
  /// one of each sort. A later exchange is done after an earlier one. A later message takes the
  /// place of one that nothing was computed from: a stage without layers handed that on.
  private var awaited: [(sort: Sort, number: Int)] = []
  /// Exchanges under way, and receives that were posted and not yet used.
  private var exchanges: [(key: Exchange, number: Int)] = []
  private var receives: [Message: Int] = [:]
  /// Weight gradients that were left for later, by the cell they belong to, in order.
  private var left: [Cell: [(kind: OperationKind, layer: Int, tokens: Int)]] = [:]

  private struct Exchange: Equatable {
    var kind: OperationKind
    var pass: Pass
    var layer: Int
    var cell: Cell
  }

  private enum Sort: Hashable {
    case exchange
    case message(Message.Payload)
    case norm
  }

  package init() {}

  /// Everything from now on belongs to the schedule's next compute action.
  package mutating func begin(_ action: ActionClass) { actions.append(action) }

  // MARK: Compute

  package mutating func compute(
    _ kind: OperationKind, _ pass: Pass, layer: Int = -1, cell: Cell, tokens: Int
  ) {
    append(
      Operation(
        kind: kind, pass: pass, layer: layer, stage: cell.stage, microbatch: cell.microbatch,
        action: actions.count - 1, tokens: tokens, after: takeAwaited()))
    lastCompute = operations.count - 1
  }

  /// The input half now; the weight half is left until `performWeights`.
  package mutating func computeInput(
    _ kind: OperationKind, layer: Int = -1, cell: Cell, tokens: Int
  ) {
    compute(kind, .input, layer: layer, cell: cell, tokens: tokens)
    left[cell, default: []].append((kind, layer, tokens))
  }

  /// The weight gradients that the cell's backward has left so far, in that order.
  package mutating func performWeights(_ cell: Cell) {
    for (kind, layer, tokens) in left.removeValue(forKey: cell) ?? [] {
      compute(kind, .weight, layer: layer, cell: cell, tokens: tokens)
    }
  }

  // MARK: Exchange

  package mutating func start(
    _ kind: OperationKind, _ pass: Pass, layer: Int, cell: Cell, tokens: Int
  ) {
    let key = Exchange(kind: kind, pass: pass, layer: layer, cell: cell)
    exchanges.append((key, operations.count))
    append(
      Operation(
        kind: kind, pass: pass, layer: layer, stage: cell.stage, microbatch: cell.microbatch,
        action: actions.count - 1, tokens: tokens, after: behind { $0 != .exchange }))
  }

  package mutating func finish(_ kind: OperationKind, _ pass: Pass, layer: Int, cell: Cell) {
    let key = Exchange(kind: kind, pass: pass, layer: layer, cell: cell)
    guard let index = exchanges.firstIndex(where: { $0.key == key }) else {
      preconditionFailure("an exchange is finished once, after it was started")
    }
    awaits(exchanges.remove(at: index).number, .exchange)
  }

  // MARK: Pipeline

  package mutating func send(_ message: Message, to peer: Int, tokens: Int) {
    append(
      Operation(
        kind: .send, pass: message.payload == .activation ? .forward : .input,
        stage: message.source.stage, microbatch: message.source.microbatch,
        action: actions.count - 1, tokens: tokens, peer: peer,
        after: behind { $0 == .exchange || $0 == .message(message.payload) }))
  }

  package mutating func receive(_ message: Message, from peer: Int, tokens: Int) {
    receives[message] = operations.count
    append(
      Operation(
        kind: .receive, pass: message.payload == .activation ? .forward : .input,
        stage: message.source.stage, microbatch: message.source.microbatch,
        action: actions.count - 1, tokens: tokens, peer: peer))
  }

  /// Something is about to need the message's value; nothing to wait for if it was made here.
  package mutating func use(_ message: Message) {
    if let number = receives.removeValue(forKey: message) {
      awaits(number, .message(message.payload))
    }
  }

  // MARK: The end of the step

  /// What ZeRO-1 does behind all micro-batches: gradients of each group to their owners, the norm
  /// over all ranks, the update of the own shards, the new weights to all.
  package mutating func update(groups: Int) {
    for group in 0..<groups { reduceScatter(group: group) }
    reduceNorm()
    for group in 0..<groups { optimize(group: group) }
    for group in 0..<groups { allGather(group: group) }
  }

  /// A group's gradients to their owners.
  package mutating func reduceScatter(group: Int) { collective(.reduceScatter, group) }

  /// The gradient's norm over all ranks; the optimizer waits for it.
  package mutating func reduceNorm() {
    collective(.allReduce, 0)
    awaited = [(.norm, operations.count - 1)]  // which started behind everything else
  }

  /// The update of the rank's shard of a group.
  package mutating func optimize(group: Int) {
    append(
      Operation(
        kind: .optimizer, pass: .update, tokens: group, after: takeAwaited()))
    lastCompute = operations.count - 1
  }

  /// A group's new weights to all its holders.
  package mutating func allGather(group: Int) { collective(.allGather, group) }

  private mutating func collective(_ kind: OperationKind, _ group: Int) {
    append(Operation(kind: kind, pass: .update, tokens: group, after: behind { _ in true }))
  }

  /// What a transfer that starts now comes after: the last compute, and what is awaited of the
  /// sorts that matter to it.
  private func behind(_ matters: (Sort) -> Bool) -> Dependencies {
    var after = Dependencies()
    if lastCompute >= 0 { after.add(lastCompute) }
    for (sort, number) in awaited where matters(sort) { after.add(number) }
    return after
  }

  private mutating func awaits(_ number: Int, _ sort: Sort) {
    awaited.removeAll { $0.sort == sort }
    awaited.append((sort, number))
  }

  /// What the next compute waits for.
  private mutating func takeAwaited() -> Dependencies {
    var after = Dependencies()
    for (_, number) in awaited { after.add(number) }
    awaited.removeAll(keepingCapacity: true)
    return after
  }

  private mutating func append(_ operation: Operation) { operations.append(operation) }
}
