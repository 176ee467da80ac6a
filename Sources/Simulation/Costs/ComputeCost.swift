// The time of one compute operation, as the event engine takes it.

internal import Fabric
package import Units

/// What an operation occupies a rank's compute stream for, launch gaps included.
package struct ComputeCost: Hashable, Sendable {
  /// When no transfer of the expert exchange runs.
  package var alone: VirtualDuration
  /// When one runs all the time; at least `alone`.
  package var besideTransfer: VirtualDuration
  /// Kernels that are launched one after the other.
  package var kernels: Int

  package init(alone: VirtualDuration, besideTransfer: VirtualDuration, kernels: Int) {
    self.alone = alone
    self.besideTransfer = max(alone, besideTransfer)
    self.kernels = kernels
  }

  package static let zero = ComputeCost(alone: .zero, besideTransfer: .zero, kernels: 0)

  /// The sum over `kernels`.
  init(_ kernels: [LayerKernel], on cost: KernelCost) {
    var sum = Self.zero
    for kernel in kernels {
      let time = cost.time(of: kernel.work)
      let gaps = cost.gpu.kernels.launchGap * kernel.launches
      sum.alone += time.alone + gaps
      sum.besideTransfer += max(time.alone, time.besideTransfer) + gaps
      sum.kernels += kernel.launches
    }
    self = sum
  }
}
