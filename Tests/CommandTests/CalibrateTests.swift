// `dsv3 calibrate` as a user types it: the measured table, what it prints, and mistakes.

import JSON
import Testing

@Suite struct CalibrateTests {
  private let table = "Tests/Fixtures/calibration/ops.csv"

  /// The preset's constants were fitted to this table elsewhere: products agree to three digits.
  @Test func theMeasuredTableIsPrintedBesideThePreset() throws {
    let output = try Binary.run(["calibrate", table])
    #expect(output.code == 0, "\(output.error)")
    let lines = output.standard.split(separator: "\n").map {
      $0.split(separator: " ").joined(separator: " ")
    }
    #expect(
      lines[0].hasPrefix("116 operations fitted, products on 112 SMs; time-weighted error 3."))
    #expect(lines.contains { $0.hasPrefix("product: unit of K ns 3.146 3.1") })
    #expect(lines.contains { $0.hasPrefix("memory: stream TB/s 2.916 2.9") })
    #expect(lines.contains { $0.hasPrefix("attn(F) o_proj_gemm product 894.0 88") })
    #expect(lines.contains { $0.contains("dispatch_fp8 kind 'comm' has no law") })
  }

  @Test func theJSONHasConstantsClassesAndOperations() throws {
    let output = try Binary.run(["calibrate", table, "--json"])
    let value = try JSONValue(parsing: Array(output.standard.utf8))
    guard case .object(let members) = value, case .array(let constants) = members["constants"],
      case .array(let operations) = members["operations"]
    else {
      Issue.record("\(output.standard.prefix(200))")
      return
    }
    #expect(constants.count == 17 && operations.count == 116)
    #expect(members["sms"] == .integer(112))
  }

  @Test func mistakesAreSaid() throws {
    let missing = try Binary.run(["calibrate", "nowhere.csv"])
    #expect(missing.code == 66 && missing.error.contains("nowhere.csv: no such file"))
    let other = try Binary.run(["calibrate", table, "--cluster", "h801"])
    #expect(other.code == 64 && other.error.contains("no cluster 'h801'; there are h800, h100"))
    #expect(try Binary.run(["calibrate"]).code == 64)
    let scratch = try Scratch()
    let path = try scratch.write("kernels.csv", "op,kind,us,shape\nq,gemm,-4,1x2x3\n")
    let wrong = try Binary.run(["calibrate", path])
    #expect(wrong.code == 65 && wrong.standard.isEmpty)
    #expect(wrong.error.contains("kernels.csv:2: 'us' is '-4', not a number ≥ 0"))
  }
}
