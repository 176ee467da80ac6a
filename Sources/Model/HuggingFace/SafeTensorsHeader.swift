// Reads the header of a safetensors file and proves it against the file: nothing here trusts a
// length, an offset or a shape before it has been compared with the bytes that are there.

internal import JSON
internal import ModelSpec

/// The checked header.
struct SafeTensorsHeader {
  /// In the order of their bytes.
  var tensors: [SafeTensors.Info] = []
  var metadata: [String: String] = [:]

  /// The largest header that the format allows.
  static let largestHeader = 100_000_000
  static let lengthBytes = 8

  /// Throws `CheckpointError` with `.badData` unless the header is complete, well-formed and
  /// places each byte after it in exactly one tensor.
  init(of file: UnsafeRawBufferPointer, source: String) throws(CheckpointError) {
    let header = try SafeTensorsHeader.text(of: file, source: source)
    let members: [String: Member]
    do {
      members = try JSONValue.decode([String: Member].self, from: header)
    } catch {
      throw CheckpointError(.badData, file: source, message: "header: \(error.reason)")
    }
    var keys = 0
    let start = SafeTensorsHeader.lengthBytes + header.count
    // In the order of the file, so that of several mistakes the same one is told every time.
    let inOrder = members.sorted { ($0.value.begin, $0.key) < ($1.value.begin, $1.key) }
    for (name, member) in inOrder {
      switch member {
      case .metadata(let metadata):
        self.metadata = metadata
        keys += 1 + metadata.count
      case .tensor(let entry):
        tensors.append(
          try entry.info(name: name, dataStart: start, fileSize: file.count, source: source))
        keys += 1 + Entry.CodingKeys.allCases.count
      }
    }
    guard JSONValue.keyCount(of: header) == keys else {
      throw CheckpointError(
        .badData, file: source,
        message: "header: a name stands twice, or a tensor has keys other than dtype, shape and "
          + "data_offsets")
    }
    tensors.sort {
      ($0.bytes.lowerBound, $0.bytes.upperBound, $0.name)
        < ($1.bytes.lowerBound, $1.bytes.upperBound, $1.name)
    }
    try checkCoverage(from: start, to: file.count, source: source)
  }

  /// The header's JSON, after its length has been compared with the file's.
  private static func text(
    of file: UnsafeRawBufferPointer, source: String
  ) throws(CheckpointError) -> [UInt8] {
    guard file.count >= lengthBytes else {
      throw CheckpointError(
        .badData, file: source,
        message: "truncated: \(file.count) bytes, where the header's length alone takes "
          + "\(lengthBytes)")
    }
    let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard length <= largestHeader else {
      throw CheckpointError(
        .badData, file: source,
        message: "not safetensors: its first bytes give a header of \(length) bytes, and at most "
          + "\(largestHeader) are allowed")
    }
    let end = lengthBytes + Int(length)
    guard end <= file.count else {
      throw CheckpointError(
        .badData, file: source,
        message: "truncated: the header ends at byte \(end), the file at \(file.count)")
    }
    let header = Array(file[lengthBytes..<end])
    guard header.first == UInt8(ascii: "{") else {
      throw CheckpointError(
        .badData, file: source, message: "not safetensors: the header does not begin with '{'")
    }
    return header
  }

  /// Tensors must follow each other without gap or overlap up to the end of the file.
  private func checkCoverage(
    from start: Int, to end: Int, source: String
  ) throws(CheckpointError) {
    var reached = start
    for tensor in tensors {
      guard tensor.bytes.lowerBound == reached else {
        let how =
          tensor.bytes.lowerBound < reached ? "overlaps the tensor before it" : "leaves a gap"
        throw CheckpointError(
          .badData, file: source, tensor: tensor.name,
          message: "begins at byte \(tensor.bytes.lowerBound) where \(reached) is expected: it "
            + how)
      }
      reached = tensor.bytes.upperBound
    }
    guard reached == end else {
      throw CheckpointError(
        .badData, file: source,
        message: "\(end) bytes, where the header describes \(reached): \(end - reached) too many")
    }
  }

  /// One member of the header: a tensor, or the metadata.
  private enum Member: Decodable {
    case metadata([String: String])
    case tensor(Entry)

    init(from decoder: any Decoder) throws {
      self =
        decoder.codingPath.last?.stringValue == "__metadata__"
        ? .metadata(try [String: String](from: decoder)) : .tensor(try Entry(from: decoder))
    }

    /// Where the tensor says that it begins.
    var begin: Int {
      if case .tensor(let entry) = self { entry.offsets.first ?? 0 } else { 0 }
    }
  }

  private struct Entry: Decodable {
    var type: String
    var shape: [Int]
    var offsets: [Int]

    enum CodingKeys: String, CodingKey, CaseIterable {
      case type = "dtype"
      case shape
      case offsets = "data_offsets"
    }

    /// The entry with its bytes placed in the file and compared with its shape.
    func info(
      name: String, dataStart: Int, fileSize: Int, source: String
    ) throws(CheckpointError) -> SafeTensors.Info {
      func error(_ message: String) -> CheckpointError {
        CheckpointError(.badData, file: source, tensor: name, message: message)
      }
      guard let type = TensorType(rawValue: type) else {
        throw error(
          "dtype '\(self.type)' is unknown; known are "
            + TensorType.allCases.map(\.rawValue).joined(separator: ", "))
      }
      guard offsets.count == 2, offsets[0] >= 0, offsets[1] >= offsets[0] else {
        throw error("data_offsets \(offsets) where [begin, end] with 0 <= begin <= end is needed")
      }
      guard offsets[1] <= fileSize - dataStart else {
        throw error(
          "truncated file: the tensor ends at byte \(offsets[1]) of the data, and the file has "
            + "\(fileSize - dataStart) bytes of data (\(fileSize) in all)")
      }
      var size = type.width
      for extent in shape {
        let (product, overflow) = size.multipliedReportingOverflow(by: extent)
        guard extent >= 0, !overflow else { throw error("shape \(shape) is impossible") }
        size = product
      }
      guard size == offsets[1] - offsets[0] else {
        throw error(
          "\(type.rawValue) of shape \(shape) takes \(size) bytes, and data_offsets \(offsets) "
            + "give \(offsets[1] - offsets[0])")
      }
      return SafeTensors.Info(
        name: name, type: type, shape: shape,
        bytes: (dataStart + offsets[0])..<(dataStart + offsets[1]))
    }
  }
}
