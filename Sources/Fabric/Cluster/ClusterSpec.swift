// The simulated hardware as a value: a GPU, the domain that NVLink joins, the network between
// domains, and how the expert exchange uses both. Presets are named sets of these numbers
// (ClusterPreset); cluster.yaml may override each of them.

package import Units

/// Everything that the virtual clock knows of a cluster.
package struct ClusterSpec: Hashable, Sendable {
  package var name: String
  package var gpu: GPUSpec
  package var node: NodeSpec
  package var network: NetworkSpec
  package var exchange: ExchangeSpec
  package var faults: Faults

  package init(
    name: String, gpu: GPUSpec, node: NodeSpec, network: NetworkSpec, exchange: ExchangeSpec,
    faults: Faults = Faults()
  ) {
    self.name = name
    self.gpu = gpu
    self.node = node
    self.network = network
    self.exchange = exchange
    self.faults = faults
  }
}

/// One GPU. Efficiencies of its kernels are in `kernels`.
package struct GPUSpec: Hashable, Sendable {
  /// Streaming multiprocessors.
  package var sms: Int
  package var memory: ByteCount
  /// Of the HBM, as in the data sheet.
  package var memoryBandwidth: Bandwidth
  /// Dense tensor-core peaks, as in the data sheet.
  package var peakBF16: ComputeRate
  package var peakFP8: ComputeRate
  package var kernels: KernelEfficiency

  package init(
    sms: Int, memory: ByteCount, memoryBandwidth: Bandwidth, peakBF16: ComputeRate,
    peakFP8: ComputeRate, kernels: KernelEfficiency
  ) {
    self.sms = sms
    self.memory = memory
    self.memoryBandwidth = memoryBandwidth
    self.peakBF16 = peakBF16
    self.peakFP8 = peakFP8
    self.kernels = kernels
  }
}

/// A scale-up domain: the GPUs that NVLink joins.
package struct NodeSpec: Hashable, Sendable {
  package var gpus: Int
  /// Per GPU and direction, what a transfer can use.
  package var nvlink: Bandwidth
  package var latency: VirtualDuration

  package init(gpus: Int, nvlink: Bandwidth, latency: VirtualDuration) {
    self.gpus = gpus
    self.nvlink = nvlink
    self.latency = latency
  }
}

/// How paths over a leaf/spine network are chosen.
package enum PathChoice: String, Hashable, Sendable, CaseIterable {
  /// By a hash of the end points: paths may collide.
  case ecmp
  /// By load: the uplinks of a leaf act as one.
  case adaptive
}

/// The network between nodes: rail-optimised leaf and spine switches, or several planes of them.
package struct NetworkSpec: Hashable, Sendable {
  /// Per GPU and direction, all its planes together.
  package var nic: Bandwidth
  /// Nodes under one leaf switch of a rail.
  package var nodesPerLeaf: Int
  /// Capacity below a leaf over that above it; 1 does not block.
  package var oversubscription: Double
  /// Uplinks of a leaf that ECMP chooses from.
  package var spines: Int
  package var paths: PathChoice
  /// Fabrics side by side that a NIC's traffic is spread over.
  package var planes: Int
  package var sameLeafLatency: VirtualDuration
  package var crossLeafLatency: VirtualDuration

  package init(
    nic: Bandwidth, nodesPerLeaf: Int, oversubscription: Double = 1, spines: Int = 0,
    paths: PathChoice = .adaptive, planes: Int = 1, sameLeafLatency: VirtualDuration,
    crossLeafLatency: VirtualDuration
  ) {
    self.nic = nic
    self.nodesPerLeaf = nodesPerLeaf
    self.oversubscription = oversubscription
    self.spines = spines
    self.paths = paths
    self.planes = planes
    self.sameLeafLatency = sameLeafLatency
    self.crossLeafLatency = crossLeafLatency
  }
}

/// How the kernels of the expert exchange use the links (two-hop dispatch and combine).
package struct ExchangeSpec: Hashable, Sendable {
  /// SMs that the kernels take from compute while a pair overlaps; 0: communication is offloaded.
  package var sms: Int
  /// Share of a NIC's and of NVLink's bandwidth that a stand-alone exchange reaches.
  package var nicEfficiency: Double
  package var nvlinkEfficiency: Double
  /// Rate beside running compute, over the rate alone.
  package var overlapEfficiency: Double
  /// The barrier and the exchange of counts before each transfer.
  package var notify: VirtualDuration
  /// NVLink and InfiniBand behind one interface: a relay costs its GPU nothing, and both hops
  /// move as one (report section 3.5).
  package var unified: Bool

  package init(
    sms: Int, nicEfficiency: Double, nvlinkEfficiency: Double, overlapEfficiency: Double,
    notify: VirtualDuration, unified: Bool = false
  ) {
    self.sms = sms
    self.nicEfficiency = nicEfficiency
    self.nvlinkEfficiency = nvlinkEfficiency
    self.overlapEfficiency = overlapEfficiency
    self.notify = notify
    self.unified = unified
  }
}

/// What-ifs that break the symmetry of a cluster.
package struct Faults: Hashable, Sendable {
  /// World ranks of slow GPUs, with the factor on their speed (0.8: a fifth slower).
  package var slowGPUs: [Int: Double]
  /// World ranks whose NIC is dead: their traffic goes by the NIC of the next GPU of the node.
  package var deadNICs: Set<Int>

  package init(slowGPUs: [Int: Double] = [:], deadNICs: Set<Int> = []) {
    self.slowGPUs = slowGPUs
    self.deadNICs = deadNICs
  }
}
