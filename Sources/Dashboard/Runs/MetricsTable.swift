// metrics.jsonl as columns: every number on the top level of a line, whatever its key is. Lines are
// read by hand, since a long run has a hundred thousand of them.

internal import Glibc

struct MetricsTable {
  /// Keys in the order in which they first came, with a value for each row; NaN where a line had
  /// none.
  private(set) var names: [String] = []
  private(set) var columns: [[Double]] = []
  private(set) var rows = 0
  /// Goes up whenever rows that were there are gone.
  private(set) var generation = 0
  private(set) var totalTokens = 0.0
  /// The last row's line.
  private(set) var lastLine: [UInt8] = []

  private static let mostColumns = 64

  mutating func removeAll() {
    let next = generation + (rows > 0 ? 1 : 0)
    self = MetricsTable()
    generation = next
  }

  /// Adds a line; one that is no object with a step is left out. Steps that come again, because
  /// the run went on from a checkpoint, replace those that were there.
  mutating func append(_ line: ArraySlice<UInt8>) {
    guard let numbers = NumbersOfLine.read(line),
      let step = numbers.first(where: { $0.name == "step" })?.value, step.isFinite
    else { return }
    if let last = steps.last, step <= last { cut(from: step) }
    for index in columns.indices { columns[index].append(.nan) }
    for (name, value) in numbers {
      if let column = names.firstIndex(of: name) {
        columns[column][rows] = value
      } else if names.count < Self.mostColumns {
        names.append(name)
        columns.append([Double](repeating: .nan, count: rows) + [value])
      }
    }
    rows += 1
    totalTokens += self["tokens"].last.flatMap { $0.isFinite ? $0 : nil } ?? 0
    lastLine = Array(line)
  }

  /// A column; empty when no line had that key.
  subscript(_ name: String) -> [Double] {
    names.firstIndex(of: name).map { columns[$0] } ?? []
  }

  var steps: [Double] { self["step"] }

  /// The last row's value, if it is a number.
  func last(_ name: String) -> Double? {
    self[name].last.flatMap { $0.isFinite ? $0 : nil }
  }

  /// First row of a step after `step`.
  func firstRow(after step: Int) -> Int {
    let steps = steps
    var (low, high) = (0, steps.count)
    while low < high {
      let middle = (low + high) / 2
      if steps[middle] > Double(step) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  private mutating func cut(from step: Double) {
    let kept = steps.firstIndex { $0 >= step } ?? rows
    for index in columns.indices { columns[index].removeLast(rows - kept) }
    rows = kept
    totalTokens = self["tokens"].reduce(0) { $1.isFinite ? $0 + $1 : $0 }
    generation += 1
  }
}

/// The numbers of an object's top level; strings, literals and what is nested are passed over.
enum NumbersOfLine {
  /// nil when the line is no JSON object as far as can be seen on the way.
  static func read(_ line: ArraySlice<UInt8>) -> [(name: String, value: Double)]? {
    var scanner = Scanner(rest: line)
    return scanner.object()
  }

  private struct Scanner {
    var rest: ArraySlice<UInt8>

    mutating func object() -> [(name: String, value: Double)]? {
      guard take("{") else { return nil }
      var numbers: [(name: String, value: Double)] = []
      if take("}") { return isAtEnd ? numbers : nil }
      repeat {
        skipBlanks()
        guard let name = string(), take(":") else { return nil }
        skipBlanks()
        if let value = number() {
          numbers.append((name, value))
        } else if !skipValue() {
          return nil
        }
      } while take(",")
      return take("}") && isAtEnd ? numbers : nil
    }

    private var isAtEnd: Bool { rest.allSatisfy { $0 <= 0x20 } }

    private mutating func skipBlanks() { rest = rest.drop { $0 <= 0x20 } }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      skipBlanks()
      guard rest.first == UInt8(ascii: character) else { return false }
      rest.removeFirst()
      return true
    }

    /// With its escapes.
    private mutating func string() -> String? {
      guard rest.first == UInt8(ascii: "\"") else { return nil }
      var end = rest.startIndex + 1
      while end < rest.endIndex, rest[end] != UInt8(ascii: "\"") {
        end += rest[end] == UInt8(ascii: "\\") ? 2 : 1
      }
      guard end < rest.endIndex else { return nil }
      defer { rest = rest[(end + 1)...] }
      return String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self)
    }

    private mutating func number() -> Double? {
      guard let first = rest.first, first == UInt8(ascii: "-") || isDigit(first) else { return nil }
      let text = rest.prefix { isDigit($0) || "+-.eE".utf8.contains($0) }
      guard let value = Double(String(decoding: text, as: UTF8.self)) else { return nil }
      rest = rest[text.endIndex...]
      return value
    }

    private func isDigit(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Passes a value that is no number; whether there was a whole one.
    private mutating func skipValue() -> Bool {
      var depth = 0
      while let byte = rest.first {
        switch byte {
        case UInt8(ascii: "\""):
          guard string() != nil else { return false }
          if depth == 0 { return true }
          continue
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
          if depth == 0 { return true }
          depth -= 1
          if depth == 0 {
            rest.removeFirst()
            return true
          }
        case UInt8(ascii: ",") where depth == 0: return true
        default: break
        }
        rest.removeFirst()
      }
      return false
    }
  }
}
