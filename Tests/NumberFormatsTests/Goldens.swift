// The fixtures of Tests/Fixtures/formats, by the names in their headers.

import Glibc
import JSON
import Testing

/// The tensors of a safetensors file.
struct Goldens {
  private let bytes: [UInt8]
  private let header: [String: JSONValue]
  private let start: Int

  static let formats = Goldens("formats")
  static let tiles = Goldens("blockquant")

  private init(_ name: String) {
    let root = #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
    bytes = Self.read("\(root)/Fixtures/formats/\(name).safetensors")
    let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    start = 8 + length
    guard bytes.count >= start,
      case .object(let object)? = try? JSONValue(parsing: Array(bytes[8..<start]))
    else {
      header = [:]
      return
    }
    header = object
  }

  private static func read(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&block, 1, block.count, file), count > 0 {
      bytes += block[..<count]
    }
    return bytes
  }

  /// A tensor's elements, in row-major order.
  func elements<Element>(_ name: String, as type: Element.Type = Element.self) throws -> [Element] {
    let entry = try #require(header[name], "no tensor \(name)")
    guard case .object(let fields) = entry,
      case .array(let offsets)? = fields["data_offsets"],
      case (.integer(let from), .integer(let to)) = (offsets[0], offsets[1])
    else {
      Issue.record("\(name) has no offsets")
      return []
    }
    return bytes[start + from..<start + to].withUnsafeBytes { data in
      (0..<data.count / MemoryLayout<Element>.stride).map {
        data.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.stride, as: type)
      }
    }
  }

  /// A tensor of integers of any width.
  func codes(_ name: String, bytes: Int) throws -> [UInt16] {
    bytes == 2
      ? try elements(name, as: UInt16.self)
      : try elements(name, as: UInt8.self).map(UInt16.init)
  }
}
