// What the ranks of one pipeline rank do in a step. All its data ranks do the same in the same
// order; only the rows that the router sends where differ between them.

/// Weights that the same ranks hold; their optimizer state is sharded over these ranks (ZeRO-1).
package struct ParameterGroup: Hashable, Sendable {
  /// Pipeline ranks that hold them: two under DualPipe.
  package var pipelineRanks: [Int]
  /// Whether only data ranks with the same place in their expert group share them (routed
  /// experts); all data ranks otherwise.
  package var sameExpertPlace: Bool
  /// Weights of one holder.
  package var elements: Int

  package init(pipelineRanks: [Int], sameExpertPlace: Bool, elements: Int) {
    self.pipelineRanks = pipelineRanks
    self.sameExpertPlace = sameExpertPlace
    self.elements = elements
  }

  /// How many ranks hold them.
  package func holders(data: Int, expert: Int) -> Int {
    pipelineRanks.count * (sameExpertPlace ? data / expert : data)
  }
}

/// The step of one pipeline rank.
package struct Program: Hashable, Sendable {
  package var operations: [Operation]
  package var groups: [ParameterGroup]
  /// What each action of the schedule is, for the report: `Operation.action` counts into it.
  package var actions: [ActionClass]

  package init(operations: [Operation], groups: [ParameterGroup], actions: [ActionClass]) {
    self.operations = operations
    self.groups = groups
    self.actions = actions
  }

  /// The kind of action that one of the operations belongs to; nil behind the last.
  package func action(of operation: Operation) -> ActionClass? {
    operation.action >= 0 ? actions[Int(operation.action)] : nil
  }
}

/// The kinds of schedule actions that a report tells apart.
package enum ActionClass: UInt8, Hashable, Sendable, CaseIterable {
  case forward
  case backward
  case input
  case weight
  case overlapped
}
