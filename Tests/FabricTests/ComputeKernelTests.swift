// Single kernels: by hand, against published rates that the fit did not see, and the laws that
// what-ifs rely on.

import Fabric
import Testing
import Units

private func kernelCost(sms: Int, exchangeSMs: Int = 20) throws -> KernelCost {
  let h800 = try #require(ClusterPreset.named("h800"))
  return KernelCost(gpu: h800.spec.gpu, sms: sms, exchangeSMs: exchangeSMs)
}

@Suite struct ComputeKernelTests {
  /// 4096 × 1536 × 7168 on 112 SMs: 32 × 12 = 384 tiles in 4 waves of 1.594 + 7168 × 3.14615e-3 =
  /// 24.1456 us; with the launch of 5.252: 101.834 us; beside a transfer 5 % more.
  @Test func aProductGoesInWavesOfTiles() throws {
    let work = KernelWork.product(
      tiles: KernelWork.tiles(rows: 4096, columns: 1536), depth: 7168, precision: .fp8)
    let time = try kernelCost(sms: 112).time(of: work)
    #expect(abs(time.alone.seconds * 1e6 - 101.834) < 0.001)
    #expect(abs(time.besideTransfer.seconds * 1e6 - 1.05 * 101.834) < 0.001)
  }

  /// A tile more than a full wave costs a whole wave.
  @Test func aTileMoreIsAWaveMore() throws {
    let cost = try kernelCost(sms: 112)
    func time(_ tiles: Int) -> Int64 {
      cost.time(of: .product(tiles: tiles, depth: 1024, precision: .fp8)).alone.picoseconds
    }
    #expect(time(112) == time(1))
    // Each time is rounded to a picosecond.
    #expect(abs(time(113) - 5_252_000 - 2 * (time(112) - 5_252_000)) <= 1)
  }

  /// 117.44 MB at 2.916 TB/s after 3.715 us: 43.99 us; streams lose 11 % beside a transfer.
  @Test func bytesGoAtTheirClassesBandwidth() throws {
    let time = try kernelCost(sms: 112).time(of: .memory(.stream, bytes: 117_440_512))
    #expect(abs(time.alone.seconds * 1e6 - 43.99) < 0.01)
    #expect(abs(time.besideTransfer.seconds * 1e6 - 1.11 * 43.99) < 0.01)
  }

  /// DeepSeek's own CUTLASS kernels on all 132 SMs, as DeepGEMM's speed-ups imply them (rounded to
  /// a tenth): M of 1024 and more, to 20 %; smaller ones are bound by bytes, which training is not.
  @Test func publishedRatesOnAllSMsAreMet() throws {
    let cost = try kernelCost(sms: 132)
    var ratios: [Double] = []
    for row in try calibrationTable("gemm_public.csv") {
      func number(_ title: String) throws -> Int { try #require(Int(row[title] ?? "")) }
      let (groups, m) = (try number("groups"), try number("M_or_M_per_group"))
      let (n, k) = (try number("N"), try number("K"))
      guard m >= 1024 else { continue }
      let rate = try #require(Double(row["implied_internal_cutlass_tflops"] ?? ""))
      let flops = 2.0 * Double(groups * m) * Double(n) * Double(k)
      let tiles = groups * KernelWork.tiles(rows: m, columns: n)
      let time = cost.time(of: .product(tiles: tiles, depth: k, precision: .fp8)).alone
      ratios.append(flops / time.seconds / 1e12 / rate)
      #expect(abs(ratios[ratios.count - 1] - 1) < 0.2, "\(groups) × \(m) × \(n) × \(k)")
    }
    #expect(ratios.count == 12)
    #expect(abs(ratios.reduce(0, +) / 12 - 1) < 0.06)
  }

  /// With the exchange off the SMs, kernels that were bound by SMs lose nothing, those bound by
  /// the HBM what they did, and products run on all SMs.
  @Test func anOffloadedExchangeLeavesOnlyTheHBMsContention() throws {
    let cost = try kernelCost(sms: 132, exchangeSMs: 0)
    #expect(cost.smsBesideTransfer == 132)
    for bound in [MemoryClass.quantise, .strided, .norm] {
      let time = cost.time(of: .memory(bound, bytes: 100_000_000))
      #expect(time.alone == time.besideTransfer)
    }
    let stream = cost.time(of: .memory(.stream, bytes: 100_000_000))
    #expect(abs(stream.besideTransfer.seconds / stream.alone.seconds - 1.11) < 1e-6)
    let product = KernelWork.product(tiles: 132 * 50, depth: 4096, precision: .fp8)
    let shared = try kernelCost(sms: 112).time(of: product)
    #expect(cost.time(of: product).besideTransfer < shared.besideTransfer)
  }

  /// More SMs never make a kernel slower, but for whole waves; fewer never exceed their peak.
  @Test func ratesStayUnderThePeak() throws {
    for sms in 1...132 {
      let product = KernelWork.product(tiles: 1000 * sms, depth: 8192, precision: .fp8)
      let time = try kernelCost(sms: sms).time(of: product).alone.seconds
      let flops = 2.0 * 128 * 128 * 8192 * 1000 * Double(sms)
      #expect(flops / time < 1978.9e12 * Double(sms) / 132)
    }
  }

  @Test func bf16ProductsTakeAboutTwiceAsLong() throws {
    let cost = try kernelCost(sms: 132)
    func time(_ precision: ProductPrecision) -> Double {
      cost.time(of: .product(tiles: 13200, depth: 7168, precision: precision)).alone.seconds
    }
    #expect((1.8...2).contains(time(.bf16) / time(.fp8)))
    #expect(time(.fp32) == time(.bf16))
  }

  /// Head: 4096 × 7168 × 129280 at 620 TF/s on the whole GPU: 12.24 ms.
  @Test func theHeadRunsAtItsRate() throws {
    let flops = 2 * 4096 * 7168 * 129_280
    let time = try kernelCost(sms: 132).time(of: .largeProduct(flops: flops)).alone
    #expect(abs(Double(flops) / time.seconds / 620e12 - 1) < 0.001)
  }

  /// Scaled to itself, a GPU stays as it is; H20's products take about as much longer as its peak
  /// is lower, its bytes a sixth less.
  @Test func presetsScaleByTheirPeaks() throws {
    let h800 = try #require(ClusterPreset.named("h800")).spec.gpu
    #expect(h800.kernels.scaled(from: h800, to: h800) == h800.kernels)
    let h20 = try #require(ClusterPreset.named("h20")).spec.gpu
    let work = KernelWork.product(tiles: 100_000, depth: 7168, precision: .fp8)
    func time(_ gpu: GPUSpec, _ work: KernelWork) -> Double {
      KernelCost(gpu: gpu, sms: gpu.sms, exchangeSMs: 0).time(of: work).alone.seconds
    }
    let ratio = time(h20, work) / time(h800, work)
    #expect((6...6.7).contains(ratio))
    let bytes = KernelWork.memory(.stream, bytes: 1_000_000_000)
    #expect(abs(time(h800, bytes) / time(h20, bytes) - 4 / 3.35) < 0.01)
    #expect(ClusterPreset.all.map(\.name) == ["h800", "h100", "h20", "b200-nvl72"])
  }
}
