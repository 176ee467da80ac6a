// What a user reads after a mistake in the simulated cluster, word for word.

import RunConfiguration
import Testing

@Suite struct ClusterMistakeTests {
  static let bandwidths =
    "B/s, kB/s, MB/s, GB/s, TB/s, PB/s, bps, kbps, Mbps, Gbps, Tbps, Pbps"

  static let quantities = [
    ("network.nic=400", "'400'; a unit is missing: \(bandwidths)"),
    (
      "network.nic=400 Gpbs",
      "'400 Gpbs'; there is no unit 'Gpbs'; did you mean 'Gbps'? Units are \(bandwidths)"
    ),
    (
      "network.nic=400 gbps",
      "'400 gbps'; there is no unit 'gbps'; did you mean 'Gbps'? Units are \(bandwidths)"
    ),
    (
      "network.nic=5 parsecs",
      "'5 parsecs'; there is no unit 'parsecs'; units are \(bandwidths)"
    ),
    ("network.nic=-1 GB/s", "'-1 GB/s'; it cannot be negative"),
    ("network.nic=0 GB/s", "'0 GB/s'; it must be more than zero"),
    ("network.nic=inf GB/s", "'inf GB/s'; write a number and a unit: \(bandwidths)"),
    ("network.nic=1e999 GB/s", "'1e999 GB/s'; it is too large"),
    ("nvlink.bandwidth=1 MB/s", "'1 MB/s'; it must be at least 100 MB/s"),
    ("gpu.memory_bandwidth=1e9 PB/s", "'1e9 PB/s'; it must be at most 1000 PB/s"),
    ("network.nic=[1 GB/s]", "a list"),
    ("network.nic={a: 1}", "a mapping"),
  ]

  @Test(arguments: quantities)
  func bandwidthsThatAreNoneAreRefused(setting: String, rest: String) {
    #expect(
      refusal("", set: ["cluster." + setting])
        == "--set cluster.\(setting): expected a bandwidth such as 400 Gbps or default, "
        + "got \(rest)")
  }

  @Test(arguments: [
    (
      "nvlink.latency=3 uss",
      "expected a duration such as 2.8 us or default, got '3 uss'; there is no unit 'uss'; did you "
        + "mean 'us'? Units are ps, ns, us, ms, s"
    ),
    (
      "exchange.notify=2 s",
      "expected a duration such as 2.8 us or default, got '2 s'; it must be at most 1 s"
    ),
    (
      "gpu.memory=80",
      "expected a number of bytes such as 80 GB or default, got '80'; a unit is missing: B, kB, "
        + "MB, GB, TB, PB, KiB, MiB, GiB, TiB"
    ),
    (
      "gpu.peak_fp8=2 PFLOP",
      "expected a rate such as 989.4 TFLOPS or default, got '2 PFLOP'; there is no unit 'PFLOP'; "
        + "did you mean 'PFLOPS'? Units are FLOPS, kFLOPS, MFLOPS, GFLOPS, TFLOPS, PFLOPS, EFLOPS"
    ),
    ("gpu.sms=0", "expected a whole number ≥ 1 or default, got '0'"),
    ("gpu.speed=0", "expected a number from 0.01 to 100, got '0'"),
    ("network.nodes_per_leaf=0", "expected a whole number ≥ 1 or default, got '0'"),
    ("network.oversubscription=0.5", "expected a number from 1 to 1000 or default, got '0.5'"),
    ("network.oversubscription=inf", "expected a number from 1 to 1000 or default, got 'inf'"),
    ("network.spines=-1", "expected a whole number ≥ 0 or default, got '-1'"),
    ("network.planes=0", "expected a whole number ≥ 1 or default, got '0'"),
    (
      "network.paths=adaptiv",
      "expected ecmp or adaptive or default, got 'adaptiv'; did you mean 'adaptive'?"
    ),
    ("exchange.sms=-1", "expected a whole number ≥ 0 or default, got '-1'"),
    ("exchange.nic_efficiency=0", "expected a number from 0.01 to 1 or default, got '0'"),
    ("exchange.nvlink_efficiency=1.1", "expected a number from 0.01 to 1 or default, got '1.1'"),
    ("exchange.overlap_efficiency=nan", "expected a number from 0.01 to 1 or default, got 'nan'"),
    ("exchange.unified=yes", "expected true or false or default, got 'yes'"),
    ("faults.slow_gpus=5", "expected RANK:FACTOR such as 5:0.8, or none, got '5'"),
    ("faults.slow_gpus=a:1", "expected RANK:FACTOR such as 5:0.8, or none, got 'a:1'"),
    ("faults.slow_gpus=[-1:1]", "expected RANK:FACTOR such as 5:0.8, or none, got '-1:1'"),
    ("faults.slow_gpus=5:0", "expected a number from 0.01 to 100, got '0'"),
    ("faults.slow_gpus=[5:1, 5:2]", "rank 5 stands twice"),
    ("faults.slow_gpus=16:0.5", "there is no rank 16; the layout has ranks 0 to 15"),
    ("faults.dead_nics=[1, x]", "expected a whole number ≥ 0, got 'x'"),
    ("faults.dead_nics=[1, 16]", "there is no rank 16; the layout has ranks 0 to 15"),
    (
      "faults.dead_nics=[1, 2, 3]",
      "all NICs of node 1 (ranks 2 to 3) are dead, so that it is cut off; leave it one"
    ),
  ])
  func whatAConstantCannotBeIsRefused(setting: String, message: String) {
    let text = refusal("", set: ["cluster." + setting])
    #expect(text.hasPrefix("--set cluster.\(setting): "), "\(text)")
    #expect(text.hasSuffix(message), "\(text)")
  }

  @Test(arguments: [
    (
      "model: {routing: balancd}",
      "cluster.yaml:1:18: model.routing: expected learned or balanced or sampled, got 'balancd'; "
        + "did you mean 'balanced'?"
    ),
    (
      "model: {charge_precision: fp16}",
      "cluster.yaml:1:27: model.charge_precision: expected fp8 or bf16, got 'fp16'"
    ),
    (
      "model: {charge_sequence: 0}",
      "cluster.yaml:1:26: model.charge_sequence: expected a whole number ≥ 1 or default, got '0'"
    ),
    (
      "routing: {skew: -1}",
      "cluster.yaml:1:17: routing.skew: expected a number from 0 to 10, got '-1'"
    ),
    (
      "simulation: {fold: 1}",
      "cluster.yaml:1:20: simulation.fold: expected true or false, got '1'"
    ),
    (
      "simulation: {record_every: never}",
      "cluster.yaml:1:28: simulation.record_every: expected a whole number ≥ 0 or last, got 'never'"
    ),
    (
      "cluster: {gpu: {memry: 80 GB}}",
      "cluster.yaml:1:17: cluster.gpu.memry: unknown key; did you mean 'memory'? Keys of "
        + "'cluster.gpu' are: sms, memory, memory_bandwidth, peak_bf16, peak_fp8, speed."
    ),
    (
      "layout: {data: 1, expert: 1}\ncluster:\n  faults: {dead_nics: 4}",
      "cluster.yaml:3:23: cluster.faults.dead_nics: there is no rank 4; the layout has ranks 0 "
        + "to 3"
    ),
  ])
  func messagesNameThePlace(text: String, message: String) {
    #expect(refusal(text) == message)
  }
}
