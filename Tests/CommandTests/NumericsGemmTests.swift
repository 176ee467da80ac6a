// `dsv3 numerics gemm` as a user runs it.

import JSON
import Testing

@Suite struct NumericsGemmTests {
  private func errors(_ arguments: [String]) throws -> [String: Double] {
    let output = try Binary.run(["numerics", "gemm", "--json"] + arguments)
    #expect(output.code == 0 && output.error == "")
    var result: [String: Double] = [:]
    guard case .object(let members) = try JSONValue(parsing: Array(output.standard.utf8)) else {
      return result
    }
    for rule in ["tensor_core_14bit", "promoted_every_128", "fp32"] {
      guard case .object(let outcome)? = members[rule],
        case .number(let error)? = outcome["max_relative_error"],
        case .object(let byRule)? = members["max_relative_error"]
      else { continue }
      result[rule] = error
      #expect(byRule[rule] == .number(error))
    }
    return result
  }

  /// The report's experiment: nearly 2 % at K = 4096 in the tensor core alone, and the report's
  /// remedy. Seeds 1 to 5 give 1.6 to 2.3 % with 256 rows and columns.
  @Test func fourThousandTermsLoseTwoPercent() throws {
    let errors = try errors(["--k", "4096", "--m", "128", "--n", "128"])
    let tensorCore = try #require(errors["tensor_core_14bit"])
    let promoted = try #require(errors["promoted_every_128"])
    let exact = try #require(errors["fp32"])
    #expect(tensorCore > 0.01 && tensorCore < 0.03)
    #expect(promoted < tensorCore / 10)
    #expect(exact < 1e-5)
  }

  /// Up to 128 terms nothing is promoted.
  @Test func shortSumsAreTheSame() throws {
    for distribution in ["normal", "symmetric", "positive"] {
      let errors = try errors(
        ["--k", "100", "--m", "9", "--n", "33", "--seed", "4", "--distribution", distribution])
      #expect(errors["tensor_core_14bit"] == errors["promoted_every_128"])
      #expect(errors.count == 3)
    }
  }

  @Test func theSeedDecides() throws {
    let size = ["--k", "300", "--m", "5", "--n", "6"]
    #expect(try errors(size + ["--seed", "2"]) == errors(size + ["--seed", "2"]))
    #expect(try errors(size + ["--seed", "2"]) != errors(size + ["--seed", "3"]))
  }

  @Test func peopleGetATable() throws {
    let output = try Binary.run(["numerics", "gemm", "--k", "1024", "--m", "16", "--n", "16"])
    #expect(output.code == 0 && output.error == "")
    #expect(output.standard.contains("[16, 1024] · [1024, 16], E4M3, normal numbers, seed 1"))
    #expect(output.standard.contains("\ntensor_core_14bit "))
    #expect(output.standard.contains("times smaller"))
  }

  @Test func mistakesSayWhatWouldBeRight() throws {
    for (arguments, part) in [
      ([], "--k is missing"), (["--k", "0"], "'--k' wants a whole number from 1"),
      (["--k", "many"], "not 'many'"), (["--k", "8", "--m", "-1"], "'--m' wants"),
      (["--k", "8", "--distribution", "odd"], "one of normal, symmetric, positive"),
      (["--k", "1048576", "--n", "65536"], "GB of memory"), (["--k", "8", "9"], "unexpected"),
    ] {
      let output = try Binary.run(["numerics", "gemm"] + arguments)
      #expect(output.code == 64 && output.standard == "")
      #expect(output.error.contains(part), "\(output.error)")
      #expect(output.error.contains("try 'dsv3 numerics gemm --help'"))
    }
  }
}
