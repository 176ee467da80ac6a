// Reads traces back, sharing nothing with the writers: Chrome's JSON by Foundation, Perfetto's by a
// decoder of the wire format.

import FoundationEssentials
import Glibc
import Simulation
import Testing

/// A directory that goes away with its last user.
final class TemporaryDirectory {
  let path: String

  init() throws {
    var template = Array("/tmp/dsv3-trace-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer -> String? in
      guard let start = buffer.baseAddress, mkdtemp(start) != nil else { return nil }
      return String(cString: start)
    }
    path = try #require(made)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
}

/// The bytes of a trace of `outcome` in a file called `name`.
func traceBytes(of outcome: StepOutcome, as name: String) throws -> Data {
  let directory = try TemporaryDirectory()
  let path = directory.path + "/" + name
  try writeTrace(of: outcome, to: path)
  #expect(directory.names == [name], "nothing provisional is left")
  return try Data(contentsOf: URL(filePath: path))
}

/// A Chrome JSON trace.
struct ChromeFile: Decodable {
  struct Event: Decodable {
    struct Arguments: Decodable {
      var name: String?
      var stage: Int?
      var microbatch: Int?
      var operations: Int?
      var networkBytes: Int?

      enum CodingKeys: String, CodingKey {
        case name, stage, microbatch, operations
        case networkBytes = "infiniband_bytes"
      }
    }
    var ph: String
    var pid: Int
    var tid: Int?
    var ts: Double?
    var dur: Double?
    var name: String
    var cat: String?
    var id: Int?
    var args: Arguments?

    /// Picoseconds; a Double of microseconds has them exactly within 2.5 hours.
    var start: Int64 { Int64(((ts ?? .nan) * 1e6).rounded()) }
    var duration: Int64 { Int64(((dur ?? .nan) * 1e6).rounded()) }
  }

  var traceEvents: [Event]
}

/// A field of a protobuf message.
struct ProtobufField {
  var number: Int
  /// Of a varint or a fixed64.
  var value: UInt64 = 0
  /// Of a length-delimited field.
  var bytes: ArraySlice<UInt8> = []

  struct Malformed: Error {}

  var text: String { String(decoding: bytes, as: UTF8.self) }
  var fields: [ProtobufField] { get throws { try Self.all(in: bytes) } }

  /// The fields of a message, in order.
  static func all(in message: ArraySlice<UInt8>) throws -> [ProtobufField] {
    var rest = message
    var fields: [ProtobufField] = []
    while !rest.isEmpty {
      let key = try varint(&rest)
      var field = ProtobufField(number: Int(key >> 3))
      switch key & 7 {
      case 0: field.value = try varint(&rest)
      case 1:
        guard rest.count >= 8 else { throw Malformed() }
        for byte in rest.prefix(8).reversed() { field.value = field.value << 8 | UInt64(byte) }
        rest = rest.dropFirst(8)
      case 2:
        let count = Int(try varint(&rest))
        guard rest.count >= count else { throw Malformed() }
        field.bytes = rest.prefix(count)
        rest = rest.dropFirst(count)
      default: throw Malformed()
      }
      fields.append(field)
    }
    return fields
  }

  private static func varint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { throw Malformed() }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw Malformed()
  }
}

extension [ProtobufField] {
  /// The last field of a number, as protobuf has it.
  subscript(field number: Int) -> ProtobufField? { last { $0.number == number } }
}
