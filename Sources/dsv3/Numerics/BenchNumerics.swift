// `dsv3 bench numerics`: casts and scaled tiles beside what the machine copies in the same run.

import CSystem
import Glibc
import JSON
import NumberFormats
import RunConfiguration

let benchNumericsCommand = Command(
  "dsv3 bench numerics",
  usage: "[--rows N] [--columns N] [--repeats N] [--json]",
  summary: "casts and scaled tiles against the speed of copying",
  help: """
    Times, on one core, casts of FP32 to the low-precision formats and back, and scaled E4M3 and
    E5M6, on a matrix of normally distributed numbers. GB/s count the FP32 numbers, read or
    written, of the fastest of the repeats; the last column is the share of memcpy's speed on the
    same matrix, which was measured just before.
    """,
  options: [
    CommandOption("rows", value: "N", help: "rows of the matrix (1024)"),
    CommandOption("columns", value: "N", help: "its columns (1024)"),
    CommandOption("repeats", value: "N", help: "times that each is done (20)"),
    CommandOption("json", help: "as JSON"),
  ],
  run: benchNumerics)

private func benchNumerics(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let bench = NumericsBench(
    rows: try options.integer("rows", in: 1...65536) ?? 1024,
    columns: try options.integer("columns", in: 1...65536) ?? 1024,
    repeats: try options.integer("repeats", in: 1...100_000) ?? 20)
  let results = bench.run()
  if options.has("json") {
    let values = results.map { result in
      JSONValue.object([
        "name": .string(result.name), "gigabytes_per_second": .number(result.speed),
        "memcpy_gigabytes_per_second": .number(result.copySpeed),
      ])
    }
    print(String(decoding: JSONValue.array(values).text(), as: UTF8.self), terminator: "")
    return
  }
  let rows = results.map {
    [
      $0.name, fixed($0.speed, 2), fixed($0.copySpeed, 2),
      fixed(100 * $0.speed / $0.copySpeed, 0) + " %",
    ]
  }
  print("\(bench.rows) × \(bench.columns) numbers, one core")
  print(table([["", "GB/s", "memcpy", "share"]] + rows, right: [1, 2, 3]))
}

/// A matrix and room for what becomes of it.
private final class NumericsBench {
  /// Bytes of FP32 a nanosecond.
  struct Result {
    var name: String
    var speed: Double
    var copySpeed: Double
  }

  let rows: Int
  let columns: Int
  private let repeats: Int
  private let numbers: UnsafeMutablePointer<Float>
  private let target: UnsafeMutablePointer<Float>
  private let copy: UnsafeMutablePointer<Float>
  private let codes: UnsafeMutablePointer<UInt8>
  private let scales: UnsafeMutablePointer<Float>
  private var results: [Result] = []

  private var count: Int { rows * columns }

  init(rows: Int, columns: Int, repeats: Int) {
    self.rows = rows
    self.columns = columns
    self.repeats = repeats
    numbers = .allocate(capacity: rows * columns)
    target = .allocate(capacity: rows * columns)
    copy = .allocate(capacity: rows * columns)
    codes = .allocate(capacity: 2 * rows * columns)
    // As many as the finest grid has, tiles of 1 × 128 or 128 × 1.
    scales = .allocate(capacity: (rows + 128) * (columns + 128) / 64)
    // Box and Muller's normal numbers from Knuth's MMIX generator.
    var state: UInt64 = 1
    func unit() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (Double(state >> 11) + 0.5) / Double(UInt64(1) << 53)
    }
    for index in 0..<rows * columns {
      numbers[index] = Float((-2 * log(unit())).squareRoot() * cos(2 * Double.pi * unit()))
    }
    target.update(from: numbers, count: rows * columns)
    copy.update(from: numbers, count: rows * columns)
    codes.initialize(repeating: 0, count: 2 * rows * columns)
  }

  deinit {
    numbers.deallocate()
    target.deallocate()
    copy.deallocate()
    codes.deallocate()
    scales.deallocate()
  }

  func run() -> [Result] {
    for format in NumberFormat.allCases {
      for overflow in [Overflow.escape, .saturate] {
        time("\(format.rawValue) \(overflow)") {
          format.encode(numbers, count: count, into: codes, overflow: overflow)
        }
      }
      time("\(format.rawValue) back") { format.decode(codes, count: count, into: target) }
    }
    target.update(from: numbers, count: count)
    time("bf16 in place") { roundToBF16(target, count: count) }
    let x = FloatRows(numbers, rows: rows, columns: columns, stride: columns)
    let y = FloatRows(target, rows: rows, columns: columns, stride: columns)
    for tile in ScaleTile.allCases {
      for kind in ScaleKind.allCases {
        let name = "e4m3 by \(tile), scale \(kind == .float ? "float" : "power of two")"
        time(name) { quantise(x, tile: tile, scales: kind, codes: codes, scales: scales) }
        time("\(name), with numbers") {
          quantise(x, tile: tile, scales: kind, codes: codes, scales: scales, dequantised: y)
        }
      }
      time("e4m3 by \(tile) back") { dequantise(codes: codes, scales: scales, tile: tile, into: y) }
    }
    time("e5m6 packed") { packE5M6(x, codes: codes, scales: scales) }
    time("e5m6 packed back") { unpackE5M6(codes: codes, scales: scales, into: y) }
    return results
  }

  /// The best of the repeats of `body`, each after a copy of the matrix.
  private func time(_ name: String, _ body: () -> Void) {
    var (best, bestCopy) = (Int64.max, Int64.max)
    for _ in 0..<repeats {
      let began = dsv3_nanoseconds()
      memcpy(copy, numbers, 4 * count)
      let copied = dsv3_nanoseconds()
      body()
      best = min(best, dsv3_nanoseconds() - copied)
      bestCopy = min(bestCopy, copied - began)
    }
    let bytes = Double(4 * count)
    results.append(
      Result(
        name: name, speed: bytes / Double(max(best, 1)),
        copySpeed: bytes / Double(max(bestCopy, 1))))
  }
}
