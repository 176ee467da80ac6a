// `dsv3 numerics cast` on files: codes that follow from the formats' definitions, blocks, figures,
// and what it says to mistakes.

import Glibc
import JSON
import Testing

@Suite struct NumericsCastTests {
  /// 1, −2.5, 500, 464 (a tie, to 448), 465, NaN, −∞, 1e−9 (to zero), 0.3.
  static let numbers: [Float] = [1, -2.5, 500, 464, 465, .nan, -.infinity, 1e-9, 0.3]

  /// The codes by hand. E4M3: 1 is exponent 7, 0x38; 2.5 = 1.25 · 2 is 0x42; 0.3 = 1.2 · 2⁻², of
  /// eighths 1.25, is 0x2a. E5M2, of quarters: 500 to 512, 464 = 1.8125 · 256 to 448, 465 the same.
  /// BF16: 0.3 = 0x3e99_999a, up. E5M6: 0.3 = 1.2 · 2⁻², of 64ths 1.203, is (13 << 6) + 13.
  static let codes: [(String, [String], [UInt8])] = [
    ("e4m3", [], [0x38, 0xc2, 0x7f, 0x7e, 0x7f, 0x7f, 0xff, 0, 0x2a]),
    ("e4m3", ["--saturate"], [0x38, 0xc2, 0x7e, 0x7e, 0x7e, 0x7f, 0xfe, 0, 0x2a]),
    ("e5m2", [], [0x3c, 0xc1, 0x60, 0x5f, 0x5f, 0x7e, 0xfc, 0, 0x35]),
    ("e5m2", ["--saturate"], [0x3c, 0xc1, 0x60, 0x5f, 0x5f, 0x7e, 0xfb, 0, 0x35]),
    (
      "bf16", [],
      [
        0x80, 0x3f, 0x20, 0xc0, 0xfa, 0x43, 0xe8, 0x43, 0xe8, 0x43, 0xc0, 0x7f, 0x80, 0xff, 0x89,
        0x30, 0x9a, 0x3e,
      ]
    ),
    (
      "e5m6", [],
      [
        0xc0, 0x03, 0x10, 0x0c, 0xfd, 0x05, 0xf4, 0x05, 0xf4, 0x05, 0xe0, 0x07, 0xc0, 0x0f, 0, 0,
        0x4d, 0x03,
      ]
    ),
  ]

  @Test("codes are those of the formats", arguments: codes)
  func writesTheCodes(_ format: String, _ options: [String], _ codes: [UInt8]) throws {
    let scratch = try Scratch()
    let input = try write(Self.numbers, to: scratch.path("in.f32"))
    let arguments = ["numerics", "cast", "--to", format, "--input", input]
    let output = try Binary.run(arguments + options + ["--output", scratch.path("out")])
    #expect(output.code == 0 && output.standard == "", "\(output.error)")
    #expect(output.error.hasPrefix("dsv3: 9 numbers, \(codes.count) bytes of \(format): 1 NaN, "))
    let written = try bytes(scratch.path("out"))
    #expect(written == codes)
  }

  /// More than two blocks of 2²⁰ numbers.
  @Test func aFileOfManyBlocksIsCastToItsEnd() throws {
    let scratch = try Scratch()
    let count = 2_500_003
    let numbers = (0..<count).map { Self.numbers[$0 % 9] }
    let input = try write(numbers, to: scratch.path("in.f32"))
    let output = try Binary.run([
      "numerics", "cast", "--to", "e4m3", "--json", "--input", input, "--output",
      scratch.path("out"),
    ])
    #expect(output.code == 0 && output.error == "")
    let figures = try JSONValue(parsing: Array(output.standard.utf8))
    guard case .object(let object) = figures else {
      Issue.record("no object")
      return
    }
    func places(_ indices: Set<Int>) -> JSONValue {
      .integer((0..<count).count { indices.contains($0 % 9) })
    }
    #expect(object["count"] == .integer(count) && object["bytes"] == .integer(count))
    #expect(object["nan"] == places([5]) && object["zeroed"] == places([7]))
    #expect(object["overflowed"] == places([2, 4, 6]))
    // 0.3 to 0.3125; 464 to 448 is nearer.
    #expect(object["largest_relative_error"] == .number(Double((Float(0.3125) - 0.3) / 0.3)))
    let codes = try bytes(scratch.path("out"))
    let expected = Self.codes[0].2
    #expect(codes.count == count && codes.indices.allSatisfy { codes[$0] == expected[$0 % 9] })
  }

  @Test func anEmptyFileGivesAnEmptyOne() throws {
    let scratch = try Scratch()
    let input = try write([], to: scratch.path("in.f32"))
    let output = try Binary.run([
      "numerics", "cast", "--to", "bf16", "--input", input, "--output", scratch.path("out"),
    ])
    let codes = try bytes(scratch.path("out"))
    #expect(output.code == 0 && codes.isEmpty)
  }

  @Test func mistakesAreNamedAndLeaveNothingBehind() throws {
    let scratch = try Scratch()
    let input = try write(Self.numbers, to: scratch.path("in.f32"))
    let ragged = try scratch.write("ragged.f32", "12345")
    symlink(input, scratch.path("link"))
    let out = scratch.path("out")
    for (to, input, target, code, message) in [
      ("e4m4", input, out, 64, "does not know 'e4m4'; did you mean 'e4m3'?"),
      ("zzz", input, out, 64, "there are bf16, e4m3, e5m2, e5m6"),
      ("e4m3", input, input, 64, "both the input and the output"),
      ("e4m3", input, scratch.path("link"), 64, "both the input and the output"),
      ("e4m3", ragged, out, 65, "5 bytes are no whole count of FP32 numbers"),
      ("e4m3", scratch.path("none"), out, 66, "no such file"),
      ("e4m3", scratch.directory, out, 74, "cannot be read: Is a directory"),
      ("e4m3", input, scratch.path("none/out"), 74, "cannot be written"),
    ] as [(String, String, String, Int32, String)] {
      let output = try Binary.run([
        "numerics", "cast", "--to", to, "--input", input, "--output", target,
      ])
      #expect(output.code == code && output.error.contains(message), "\(output.error)")
      #expect(access(out, F_OK) != 0)
    }
    let missing = try Binary.run(["numerics", "cast", "--to", "e4m3", "--input", input])
    #expect(missing.code == 64 && missing.error.contains("--output is missing"))
    let kept = try bytes(input)
    #expect(kept.count == 36)
  }

  private func write(_ numbers: [Float], to path: String) throws -> String {
    let file = try #require(fopen(path, "w"))
    defer { fclose(file) }
    let written = numbers.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
    try #require(written == 4 * numbers.count)
    return path
  }

  private func bytes(_ path: String) throws -> [UInt8] {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
      bytes += chunk[..<count]
    }
    return bytes
  }
}
