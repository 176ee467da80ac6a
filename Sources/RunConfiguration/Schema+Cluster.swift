// The keys below `cluster`, and those of what the virtual clock charges and keeps. Bounds of
// quantities are far outside real hardware and keep virtual times within 64 bits.

internal import Fabric
internal import ModelSpec
internal import Units

extension RunConfiguration {
  static let clusterKeys: [SettingKey] =
    [
      SettingKey(
        "cluster.preset", \.clusterPreset, .text("the name of a cluster"),
        "The simulated hardware; 'dsv3 presets' lists it. What follows below cluster changes "
          + "single constants of it."),
      SettingKey(
        "cluster.gpus_per_node", \.layout.gpusPerNode, .integer(1...SizeLimit.ranks),
        unit: "ranks",
        "Neighbouring ranks that count as the GPUs of one node, joined by NVLink."),
    ] + gpuKeys + linkKeys + exchangeKeys + faultKeys

  private static let gpuKeys: [SettingKey] = [
    constant(
      "gpu.sms", \.cluster.sms, .integer(1...4096), unit: "SMs",
      "Streaming multiprocessors; peaks that are not given go with them."),
    constant(
      "gpu.memory", \.cluster.memory,
      .quantity(ByteCount(1_000_000_000)...ByteCount(1_000_000_000_000_000)), unit: "bytes",
      "Memory of a GPU."),
    constant(
      "gpu.memory_bandwidth", \.cluster.memoryBandwidth, bandwidth(1), unit: "bytes/s",
      "Bandwidth of that memory; kernels bound by it go with it."),
    constant(
      "gpu.peak_bf16", \.cluster.peakBF16, rate, unit: "FLOPs/s",
      "Dense peak in BF16; attention, router and head go with it."),
    constant(
      "gpu.peak_fp8", \.cluster.peakFP8, rate, unit: "FLOPs/s",
      "Dense peak in FP8; the large matrix products go with it."),
    SettingKey(
      "cluster.gpu.speed", \.cluster.speed, .speed,
      "Factor on the speed of arithmetic: the sustained clock over that of the measurements."),
  ]

  private static let linkKeys: [SettingKey] = [
    constant(
      "nvlink.bandwidth", \.cluster.nvlink, bandwidth(0.1), unit: "bytes/s",
      "NVLink of a GPU in each direction, as a transfer can use it."),
    constant(
      "nvlink.latency", \.cluster.nvlinkLatency, duration, unit: "time",
      "Latency of a transfer over NVLink."),
    constant(
      "network.nic", \.cluster.nic, bandwidth(0.1), unit: "bytes/s",
      "Bandwidth of a GPU's NIC in each direction, all planes together."),
    constant(
      "network.nodes_per_leaf", \.cluster.nodesPerLeaf, .integer(1...SizeLimit.ranks),
      unit: "nodes", "Nodes under one leaf switch of a rail."),
    constant(
      "network.oversubscription", \.cluster.oversubscription,
      .number("a number from 1 to 1000") { $0 >= 1 && $0 <= 1000 },
      "Capacity below a leaf switch over that above it; 1 does not block."),
    constant(
      "network.spines", \.cluster.spines, .integer(0...SizeLimit.ranks), unit: "uplinks",
      "Uplinks of a leaf switch that ecmp chooses from."),
    constant(
      "network.paths", \.cluster.paths, .choice(),
      "How paths over the spines are chosen: by a hash of the end points, which may collide, or "
        + "by load."),
    constant(
      "network.planes", \.cluster.planes, .integer(1...64), unit: "planes",
      "Fabrics side by side that a NIC's traffic is spread over."),
    constant(
      "network.same_leaf_latency", \.cluster.sameLeafLatency, duration, unit: "time",
      "Latency between nodes under one leaf switch."),
    constant(
      "network.cross_leaf_latency", \.cluster.crossLeafLatency, duration, unit: "time",
      "Latency between nodes under different leaf switches."),
  ]

  private static let exchangeKeys: [SettingKey] = [
    constant(
      "exchange.sms", \.cluster.exchangeSMs, .integer(0...4095), unit: "SMs",
      "SMs that the expert exchange takes from compute; 0: it needs none."),
    constant(
      "exchange.nic_efficiency", \.cluster.nicEfficiency, .efficiency,
      "Share of a NIC's bandwidth that an exchange alone reaches."),
    constant(
      "exchange.nvlink_efficiency", \.cluster.nvlinkEfficiency, .efficiency,
      "Share of NVLink's bandwidth that an exchange alone reaches."),
    constant(
      "exchange.overlap_efficiency", \.cluster.overlapEfficiency, .efficiency,
      "Rate of an exchange beside running compute, over its rate alone."),
    constant(
      "exchange.notify", \.cluster.notify, duration, unit: "time",
      "The barrier and the exchange of counts before each transfer."),
    constant(
      "exchange.unified", \.cluster.unified, .boolean,
      "NVLink and InfiniBand behind one interface: relaying costs a GPU nothing."),
  ]

  private static let faultKeys: [SettingKey] = [
    SettingKey(
      "cluster.faults.slow_gpus", \.cluster.faults.slowGPUs, .rankSpeeds,
      "World ranks of slow GPUs, each with the factor on its speed."),
    SettingKey(
      "cluster.faults.dead_nics", \.cluster.faults.deadNICs, .ranks, unit: "ranks",
      "World ranks whose NIC is dead; their traffic goes by the NIC of the node's next GPU."),
  ]

  static let routingKeys: [SettingKey] = [
    SettingKey(
      "routing.skew", \.routingSkew, .number("a number from 0 to 10") { $0 >= 0 && $0 <= 10 },
      "For sampled routing: coefficient of variation of an expert's popularity; 0: all alike."),
    SettingKey(
      "routing.seed", \.routingSeed, .seed, "For sampled routing: decides what is drawn."),
  ]

  static let simulationKeys: [SettingKey] = [
    SettingKey(
      "simulation.fold", \.foldsSimulation, .boolean,
      "Simulate ranks that do the same only once."),
    SettingKey(
      "simulation.record_every", \.recordEvery, .orWord("last", .integer(0...SizeLimit.steps)),
      unit: "steps",
      "Steps between the recorded workloads that a run keeps; last keeps that of the last step, "
        + "0 none."),
  ]

  /// A constant of the preset that may be replaced.
  private static func constant<Value: Sendable>(
    _ name: String, _ property: Property<Value?>, _ form: ValueForm<Value>, unit: String = "",
    _ meaning: String
  ) -> SettingKey {
    SettingKey("cluster." + name, property, .orWord("default", form), unit: unit, meaning)
  }

  private static func bandwidth(_ leastGigabytes: Double) -> ValueForm<Bandwidth> {
    .quantity(
      Bandwidth(gigabytesPerSecond: leastGigabytes)...Bandwidth(terabytesPerSecond: 1_000_000))
  }

  private static let rate = ValueForm<ComputeRate>.quantity(
    ComputeRate(teraFLOPS: 1)...ComputeRate(teraFLOPS: 1_000_000))

  private static let duration = ValueForm<VirtualDuration>.quantity(
    VirtualDuration.zero...VirtualDuration(seconds: 1))
}
