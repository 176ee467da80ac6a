// The measured tables that the cost model is held against.

import Fabric
import FoundationEssentials
import ModelSpec
import Simulation
import Testing
import Units
import Workload

/// Rows of a CSV fixture by column title. Quotes stand around whole fields only.
func calibrationTable(_ name: String) throws -> [[String: String]] {
  var path = Array(#filePath.split(separator: "/").dropLast(2))
  path += ["Fixtures", "calibration", Substring(name)]
  let data = try Data(contentsOf: URL(filePath: "/" + path.joined(separator: "/")))
  let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
  let rows = lines.map { line in
    var fields = [""]
    var quoted = false
    for character in line {
      switch character {
      case "\"": quoted.toggle()
      case "," where !quoted: fields.append("")
      default: fields[fields.count - 1].append(character)
      }
    }
    return fields
  }
  return rows.dropFirst().map { row in
    Dictionary(uniqueKeysWithValues: zip(rows[0], row + [String](repeating: "", count: 40)))
  }
}

/// DeepSeek-V3 in the trace's layout: EP 64, one sequence of 4096 tokens, FP8 on an H800.
func traceCosts() throws -> OperationCosts {
  let cluster = try #require(ClusterPreset.named("h800"))
  return OperationCosts(
    cluster: cluster.spec, model: ModelPreset.deepseekV3.spec, expertParallel: 64,
    sequenceLength: 4096, precision: .fp8)
}

/// The compute phases of the trace as operations.
let tracePhases: [(name: String, operations: [(OperationKind, Pass)])] = [
  ("attn(F)", [(.attention, .forward), (.router, .forward)]),
  ("mlp(F)", [(.sharedExperts, .forward), (.routedExperts, .forward)]),
  ("mlp(B)", [(.sharedExperts, .input), (.routedExperts, .input)]),
  ("attn(B)", [(.attention, .input), (.router, .input)]),
  ("mlp(W)", [(.sharedExperts, .weight), (.routedExperts, .weight)]),
  ("attn(W)", [(.attention, .weight), (.router, .weight)]),
]

/// Balanced rows of 4 experts: 4096 tokens × 8 experts × 64 ranks / 64.
let balancedRows = 32768

extension OperationCosts {
  /// The time of one phase in microseconds, a transfer running for `overlap` of it.
  func microseconds(
    _ operations: [(OperationKind, Pass)], sms: Int, overlap: Double
  ) -> Double {
    operations.reduce(0) { sum, operation in
      let cost = compute(
        operation.0, operation.1, layer: 10, tokens: 4096, expertRows: balancedRows, sms: sms)
      return sum + (cost.alone.seconds * (1 - overlap) + cost.besideTransfer.seconds * overlap)
        * 1e6
    }
  }
}
