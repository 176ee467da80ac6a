// The simulated cluster: each key below `cluster` changes its constant and nothing else, kernels
// follow the data sheet, and constants that contradict each other are refused.

import Fabric
import ModelSpec
import RunConfiguration
import Testing
import Units

@Suite struct ClusterTests {
  /// An override, and the change of the preset's constants that it makes.
  struct Override: CustomTestStringConvertible, Sendable {
    var setting: String
    var change: @Sendable (inout ClusterSpec) -> Void
    var testDescription: String { setting }

    init(_ setting: String, _ change: @escaping @Sendable (inout ClusterSpec) -> Void) {
      self.setting = setting
      self.change = change
    }
  }

  static let overrides = [
    Override("gpus_per_node=4") { $0.node.gpus = 4 },
    Override("gpu.sms=66") {
      $0.gpu.sms = 66  // of 132
      $0.gpu.peakBF16.flopsPerSecond /= 2
      $0.gpu.peakFP8.flopsPerSecond /= 2
    },
    Override("gpu.memory=96 GiB") { $0.gpu.memory = ByteCount(103_079_215_104) },
    Override("nvlink.bandwidth=200 GB/s") { $0.node.nvlink = Bandwidth(bytesPerSecond: 200e9) },
    Override("nvlink.latency=5 ns") { $0.node.latency = VirtualDuration(picoseconds: 5000) },
    Override("network.nic=800 Gbps") { $0.network.nic = Bandwidth(bytesPerSecond: 100e9) },
    Override("network.nodes_per_leaf=16") { $0.network.nodesPerLeaf = 16 },
    Override("network.oversubscription=2.5") { $0.network.oversubscription = 2.5 },
    Override("network.spines=8") { $0.network.spines = 8 },
    Override("network.planes=8") { $0.network.planes = 8 },
    Override("network={paths: ecmp, spines: 4}") {
      $0.network.paths = .ecmp
      $0.network.spines = 4
    },
    Override("network.same_leaf_latency=1 us") {
      $0.network.sameLeafLatency = VirtualDuration(picoseconds: 1_000_000)
    },
    Override("network.cross_leaf_latency=0 us") { $0.network.crossLeafLatency = .zero },
    Override("exchange.sms=0") { $0.exchange.sms = 0 },
    Override("exchange.nic_efficiency=1") { $0.exchange.nicEfficiency = 1 },
    Override("exchange.nvlink_efficiency=0.5") { $0.exchange.nvlinkEfficiency = 0.5 },
    Override("exchange.overlap_efficiency=0.9") { $0.exchange.overlapEfficiency = 0.9 },
    Override("exchange.notify=10 us") {
      $0.exchange.notify = VirtualDuration(picoseconds: 10_000_000)
    },
    Override("exchange.unified=true") { $0.exchange.unified = true },
    Override("faults.slow_gpus=5:0.8") { $0.faults.slowGPUs = [5: 0.8] },
    Override("faults.slow_gpus=[5:0.8, '6: 2']") { $0.faults.slowGPUs = [5: 0.8, 6: 2] },
    Override("faults.slow_gpus={5: 0.8, 15: 0.5}") { $0.faults.slowGPUs = [5: 0.8, 15: 0.5] },
    Override("faults.slow_gpus=[5: 0.8]") { $0.faults.slowGPUs = [5: 0.8] },
    Override("faults.slow_gpus=none") { $0.faults.slowGPUs = [:] },
    Override("faults.dead_nics=3") { $0.faults.deadNICs = [3] },
    Override("faults.dead_nics=[3, 12]") { $0.faults.deadNICs = [3, 12] },
  ]

  private func preset(_ name: String = "h800") throws -> ClusterSpec {
    var spec = try #require(ClusterPreset.named(name)).spec
    spec.node.gpus = 2  // the default of cluster.gpus_per_node
    return spec
  }

  @Test(arguments: overrides)
  func eachKeyChangesItsConstant(_ override: Override) throws {
    let read = try configuration("", set: ["cluster." + override.setting])
    var expected = try preset()
    override.change(&expected)
    #expect(try read.clusterSpec() == expected)
    // And it survives being written out.
    #expect(try configuration(read.resolvedYAML()).clusterSpec() == expected)
    #expect(try configuration(read.resolvedJSON).clusterSpec() == expected)
  }

  @Test func everyPresetIsItselfWithoutOverrides() throws {
    for known in ClusterPreset.all {
      let read = try configuration("cluster: {preset: \(known.name)}")
      #expect(try read.clusterSpec() == preset(known.name))
    }
  }

  /// Twice the data sheet's 3.35 TB/s: every class moves twice the bytes a second.
  @Test func memoryBoundKernelsFollowTheBandwidth() throws {
    let read = try configuration("", set: ["cluster.gpu.memory_bandwidth=6.7 TB/s"])
    let (spec, old) = (try read.clusterSpec().gpu, try preset().gpu)
    #expect(spec.memoryBandwidth == Bandwidth(terabytesPerSecond: 6.7))
    for (kind, cost) in old.kernels.memory {
      #expect(
        spec.kernels.memory[kind]?.bandwidth.bytesPerSecond == 2 * cost.bandwidth.bytesPerSecond)
    }
    #expect(spec.kernels.gemmFP8 == old.kernels.gemmFP8)
  }

  /// Half of a peak: products take twice as long, launches stay; the other format is as before.
  @Test func productsFollowThePeakOfTheirFormat() throws {
    let old = try preset().gpu
    let halfFP8 = ComputeRate(flopsPerSecond: old.peakFP8.flopsPerSecond / 2)
    let fp8 = try gpu(["cluster.gpu.peak_fp8=\(halfFP8.text)"])
    var expected = old.kernels
    expected.gemmFP8.femtosecondsPerK *= 2
    expected.weightGradientFP8.femtosecondsPerK *= 2
    #expect(fp8.kernels == expected)
    let halfBF16 = ComputeRate(flopsPerSecond: old.peakBF16.flopsPerSecond / 2)
    let bf16 = try gpu(["cluster.gpu.peak_bf16=\(halfBF16.text)"])
    expected = old.kernels
    expected.gemmBF16PerSM.flopsPerSecond /= 2
    expected.attentionForwardPerSM.flopsPerSecond /= 2
    expected.attentionBackwardPerSM.flopsPerSecond /= 2
    expected.router = expected.router * 2
    #expect(bf16.kernels == expected)
  }

  /// Half of the SMs with the peak of all: each must be twice as fast.
  @Test func aPeakGivenWithTheSMsIsThatOfTheSMs() throws {
    let old = try preset().gpu
    let read = try gpu(["cluster.gpu.sms=66", "cluster.gpu.peak_fp8=\(old.peakFP8.text)"])
    #expect(read.peakFP8 == old.peakFP8)
    #expect(read.kernels.gemmFP8.femtosecondsPerK == old.kernels.gemmFP8.femtosecondsPerK / 2)
    #expect(read.kernels.gemmBF16PerSM == old.kernels.gemmBF16PerSM)
  }

  private func gpu(_ settings: [String]) throws -> GPUSpec {
    try configuration("", set: settings).clusterSpec().gpu
  }

  @Test func speedIsThatOfArithmeticAlone() throws {
    let old = try preset().gpu
    let slow = try configuration("cluster: {gpu: {speed: 0.5}}").clusterSpec().gpu
    #expect(slow.peakFP8 == old.peakFP8 && slow.peakBF16 == old.peakBF16)
    #expect(slow.kernels.gemmFP8.tile == old.kernels.gemmFP8.tile * 2)
    #expect(
      slow.kernels.gemmBF16PerSM.flopsPerSecond == old.kernels.gemmBF16PerSM.flopsPerSecond / 2)
    #expect(slow.kernels.memory == old.kernels.memory)
    #expect(slow.kernels.launchGap == old.kernels.launchGap)
  }

  /// The message with which the cluster of a configuration is refused.
  private func clusterRefusal(_ settings: [String]) -> String {
    do throws(ConfigurationError) {
      _ = try configuration("", set: settings).clusterSpec()
      return "accepted"
    } catch { return error.description }
  }

  @Test func constantsThatContradictEachOtherAreRefused() {
    #expect(
      clusterRefusal(["cluster.preset=h80"])
        .hasPrefix(
          "--set cluster.preset=h80: unknown cluster 'h80'; did you mean 'h800'? Known are"))
    #expect(
      clusterRefusal(["cluster.gpu.sms=20"])
        == "--set cluster.gpu.sms=20: the exchange takes 20 of 20 SMs and leaves none to compute; "
        + "cluster.exchange.sms may be 0 to 19")
    #expect(
      clusterRefusal(["cluster.exchange.sms=132"])
        == "--set cluster.exchange.sms=132: the exchange takes 132 of 132 SMs and leaves none to "
        + "compute; cluster.exchange.sms may be 0 to 131")
    #expect(
      clusterRefusal(["cluster.network={paths: ecmp, spines: 0}"])
        == "--set cluster.network={paths: ecmp, spines: 0}: cluster.network.spines: ecmp chooses "
        + "among the uplinks of a leaf, and there is none; set cluster.network.spines to 1 or more")
    #expect(clusterRefusal(["cluster.exchange.sms=131"]) == "accepted")
  }
}
