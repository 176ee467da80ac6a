// The memory of a step as it was counted: bytes of the tensors alive on the fullest rank at its
// fullest moment, by what they are for. Simulation.MemoryModel predicts the same figures.

package import Kernels
internal import MessagePassing

/// Bytes of one rank by category.
package struct CountedMemory: Equatable, Sendable {
  /// Working weights.
  package var parameters = 0
  /// Sums of gradients, FP32.
  package var gradients = 0
  /// The rank's shard of master weights and moments.
  package var optimizer = 0
  /// What forwards left for backwards, and input halves for weight halves.
  package var activations = 0
  /// Working space, hidden states and gradients on their way, tables.
  package var buffers = 0
  /// FP32 copies of operands, which a GPU does not have: the most at any moment, outside `total`.
  package var emulation = 0
  /// The most activations at any moment, which need not be the fullest.
  package var mostActivations = 0

  package init() {}

  /// Of this process, since the last `TensorMemory.resetPeak()`.
  package init(_ usage: TensorMemory.Usage) {
    func atPeak(_ category: MemoryCategory) -> Int { usage.atPeak[category.rawValue] }
    parameters = atPeak(.parameters)
    gradients = atPeak(.gradients)
    optimizer = atPeak(.optimizer)
    activations = atPeak(.activations)
    buffers = atPeak(.buffers)
    emulation = usage.most[MemoryCategory.emulation.rawValue]
    mostActivations = usage.most[MemoryCategory.activations.rawValue]
  }

  package var total: Int { categories.reduce(0) { $0 + $1.bytes } }

  /// What `total` is made of, under the names of `memory_bytes`.
  package var categories: [(name: String, bytes: Int)] {
    [
      ("parameters", parameters), ("gradients", gradients), ("optimizer", optimizer),
      ("activations", activations), ("buffers", buffers),
    ]
  }

  /// The members of `memory_bytes`.
  package var fields: [(name: String, bytes: Int)] { categories + [("total", total)] }

  /// The figures of the rank with the largest total, the first of equals, but the most activations
  /// of all ranks. Collective.
  func ofFullestRank(_ world: Communicator) throws -> CountedMemory {
    let all = try world.allGather(categories.map(\.bytes) + [emulation, mostActivations])
    let width = all.count / world.size
    let ranks = (0..<world.size).map { rank in
      var memory = CountedMemory()
      let row = all[rank * width..<(rank + 1) * width].map { $0 }
      (memory.parameters, memory.gradients, memory.optimizer) = (row[0], row[1], row[2])
      (memory.activations, memory.buffers, memory.emulation) = (row[3], row[4], row[5])
      memory.mostActivations = row[6]
      return memory
    }
    var fullest = ranks[0]
    for memory in ranks where memory.total > fullest.total { fullest = memory }
    fullest.mostActivations = ranks.map(\.mostActivations).max() ?? 0
    return fullest
  }
}
