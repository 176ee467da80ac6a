// Constants refitted from measured kernels: from the table they were fitted to elsewhere, from
// tables made up with known constants, and from a small trace.

import Fabric
import FoundationEssentials
import Testing
import Units

private func h800() throws -> GPUSpec { try #require(ClusterPreset.named("h800")).spec.gpu }

private func measurements(_ text: String) throws(FabricError) -> Measurements {
  try Measurements(reading: Array(text.utf8), source: "table.csv")
}

private func traceTable() throws -> Measurements {
  let data = try Data(contentsOf: URL(filePath: calibrationPath("ops.csv")))
  return try Measurements(reading: Array(data), source: "ops.csv")
}

@Suite struct ComputeCalibrationTests {
  /// fitted_parameters.json has the constants of an independent fit of the same table. Launches
  /// are small against any kernel, and the norms scatter by their two ways to share SMs; both are
  /// determined less well.
  @Test func theTracesTableGivesTheKnownConstants() throws {
    let fit = KernelFit(try traceTable(), preset: try h800())
    let known: [String: (value: Double, within: Double)] = [
      "product: launch": (5.252, 0.1), "product: tile": (1.594, 0.02),
      "product: unit of K": (3.146, 0.01), "weight gradient: launch": (1.212, 3),
      "weight gradient: tile": (4.306, 0.1), "weight gradient: unit of K": (4.357, 0.02),
      "attention forward per SM": (4.970, 0.02), "attention backward per SM": (4.160, 0.02),
      "router product": (44.5, 0.03), "memory: launch": (3.715, 0.05),
      "memory: stream": (2.916, 0.02), "memory: quantise": (2.430, 0.02),
      "memory: castTranspose": (2.596, 0.02), "memory: requantiseTranspose": (1.765, 0.03),
      "memory: norm": (1.745, 0.08), "memory: strided": (1.213, 0.02),
      "memory: e5m6": (1.595, 0.02),
    ]
    #expect(Set(fit.constants.map(\.name)) == Set(known.keys))
    for constant in fit.constants {
      let (value, within) = try #require(known[constant.name])
      let fitted = try #require(constant.fitted)
      #expect(abs(fitted / value - 1) <= within, "\(constant.name): \(fitted)")
    }
    #expect(fit.gpu.kernels.measuredSMs == 112)
  }

  /// The independent fit's residuals: 3.3 % weighted by time, 2.2 % mean of 20 products.
  @Test func residualsAreThoseOfTheIndependentFit() throws {
    let fit = KernelFit(try traceTable(), preset: try h800())
    #expect(fit.residuals.count == 116)
    #expect(KernelFit.timeWeightedError(fit.residuals) < 0.04)
    let products = fit.residuals.filter { $0.family == .product }
    #expect(products.count == 20 && KernelFit.meanError(products) < 0.025)
    let table = try calibrationTable("fit_residuals.csv")
    for row in table where row["class"] == "gemm_fp8" {
      let residual = try #require(fit.residuals.first { $0.kernel.name == row["op"] })
      let model = try #require(Double(row["model_us"] ?? ""))
      #expect(abs(residual.model / model - 1) < 0.015, "\(residual.kernel.name)")
    }
  }

  /// Times made with launch 4, tile 2 and 3 ns, and one in eight of them twice as long.
  @Test func outliersDoNotPullTheFit() throws {
    var text = "op,kind,shape,us,sm\n"
    for (index, shape) in [
      (1024, 512), (2048, 7168), (4096, 1536), (4096, 2048), (8192, 4096), (4096, 512),
      (2048, 2048), (8192, 1024), (1024, 8192), (4096, 4096), (2048, 1024), (8192, 2048),
      (1024, 1024), (4096, 7168), (2048, 4096), (8192, 512),
    ].enumerated() {
      let waves = Double((shape.0 / 128 * 56 + 99) / 100)
      let time = 4 + waves * (2 + 0.003 * Double(shape.1))
      text += "g\(index),gemm,\(shape.0)x7168x\(shape.1),\(index % 8 == 0 ? 2 * time : time),100\n"
    }
    let fit = KernelFit(try measurements(text), preset: try h800())
    let tile = fit.gpu.kernels.gemmFP8
    #expect(fit.gpu.kernels.measuredSMs == 100)
    #expect(abs(tile.femtosecondsPerK / 3e6 - 1) < 0.01)
    #expect(abs(tile.tile.seconds / 2e-6 - 1) < 0.05)
    // Nothing else was measured: the preset's constants stay.
    #expect(fit.gpu.kernels.memory == (try h800()).kernels.memory)
    #expect(fit.constants.count { $0.fitted != nil } == 3)
  }

  /// One product of 1024 × 512 × 256 with shapes, half under a transfer, and what a trace does not
  /// tell.
  @Test func aTraceGivesProductsWithShapesAndNamesTheRest() throws {
    let kernel = { (name: String, start: Int, time: Int, id: Int, grid: String) in
      """
      {"ph":"X","cat":"kernel","name":"\(name)","ts":\(start),"dur":\(time),\
      "args":{"External id":\(id),"grid":\(grid),"stream":7}}
      """
    }
    let text = """
      {"schemaVersion":1,"traceEvents":[
      {"ph":"X","cat":"cpu_op","name":"aten::mm","ts":0,"dur":9,"args":{"External id":5,\
      "Input Dims":[[1024,256],[256,512]],"Input type":["c10::BFloat16","c10::BFloat16"]}},
      \(kernel("sm90_xmma_gemm_bf16", 100, 40, 5, "[8,4,1]")),
      \(kernel("dpsk::ep::cuda::internode::dispatch<false>", 120, 500, 6, "[20,1,1]")),
      \(kernel("vectorized_elementwise_kernel<4>", 150, 8, 7, "[99,1,1]")),
      \(kernel("mystery", 160, 2, 8, "[1,1,1]")),
      {"ph":"i","name":"mark","ts":"1.5"}]}
      """
    let trace = try Measurements(reading: Array(text.utf8), source: "trace.json")
    let sample = try #require(trace.kernels.first?.samples.first)
    #expect(trace.kernels.count == 1 && trace.sms == 32)
    #expect(sample.work == .product(tiles: 32, depth: 256, precision: .bf16))
    #expect(sample.overlap == 0.5 && sample.microseconds == 40)
    #expect(trace.unmatched.map(\.name).last == "mystery")
    #expect(trace.unmatched.map(\.count) == [1, 1, 1])
    #expect(trace.unmatched[2].reason == "not known by its name")
  }

  @Test(arguments: [
    ("", "table.csv: empty"),
    ("op,us\na,1\n", "table.csv:1: no column 'kind'"),
    ("op,kind\na,mem\n", "table.csv:1: no column 'us' or 'median_us'"),
    ("op,kind,us\na,gemm\n", "table.csv:2: 2 fields, where the titles are 3"),
    ("op,kind,us\na,gem,1\n", "table.csv:2: kind 'gem' is none of"),
    ("op,kind,us,shape\na,gemm,x,1x1x1\n", "table.csv:2: 'us' is 'x', not a number"),
    ("op,kind,us,shape\na,gemm,0,1x1x1\n", "table.csv:2: a kernel takes more than 0 us"),
    ("op,kind,us,shape\na,gemm,1,1x1\n", "table.csv:2: the shape '1x1' is neither"),
    ("op,kind,us,shape\na,gemm,1,0x1x1\n", "table.csv:2: the shape '0x1x1' is neither"),
    ("op,kind,us,shape\na,mem,1,foo\n", "table.csv:2: the shape of a memory-bound kernel"),
    ("op,kind,us,shape,bytes\na,mem,1,norm,-3\n", "table.csv:2: 'bytes' is '-3'"),
    ("op,kind,us,shape,flops\na,fa_fwd,1,,nan\n", "table.csv:2: 'flops' is 'nan'"),
    ("op,kind,us,shape,overlap\na,gemm,1,1x1x1,2\n", "table.csv:2: 'overlap' is 2.0"),
    ("op,kind,us\na,small,1\n", "table.csv: no kernel with a kind and a shape"),
    ("{}", "table.csv: no trace of the PyTorch profiler"),
    ("{\"traceEvents\":[]}", "table.csv: the trace has no event of category 'kernel'"),
    ("[1,", "table.csv: no trace of the PyTorch profiler"),
  ])
  func whatIsNoMeasurementIsSaidWhere(text: String, message: String) {
    let error = #expect(throws: FabricError.self) { _ = try measurements(text) }
    let found = error.map { "\($0.source): \($0.message)" } ?? ""
    #expect(found.hasPrefix(message), "\(found)")
    #expect(error?.kind == .badData)
  }
}
