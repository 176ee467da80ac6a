// Writes a safetensors file, streaming each tensor from where it is. The file appears under its
// name only when it is whole.

internal import Glibc

extension SafeTensors {
  /// A tensor to write.
  package struct Tensor {
    package enum Contents {
      case floats([Float])
      /// Not copied: the memory must stay as it is until the file is written.
      case buffer(UnsafeBufferPointer<Float>)
      case integers([Int])
      /// Bytes of another type, little-endian, made when their turn to be written has come.
      case stored(TensorType, () throws(CheckpointError) -> [UInt8])
    }

    package var name: String
    package var shape: [Int]
    package var contents: Contents

    package init(_ name: String, shape: [Int], _ contents: Contents) {
      self.name = name
      self.shape = shape
      self.contents = contents
      let elements: Int? =
        switch contents {
        case .floats(let values): values.count
        case .buffer(let values): values.count
        case .integers(let values): values.count
        case .stored: nil
        }
      precondition(
        elements.map { $0 == shape.reduce(1, *) } ?? true,
        "\(name) of shape \(shape) has \(elements ?? 0) elements")
    }

    var type: TensorType {
      switch contents {
      case .floats, .buffer: .f32
      case .integers: .i64
      case .stored(let type, _): type
      }
    }

    /// Bytes the tensor takes in a file.
    package var byteCount: Int { shape.reduce(type.width, *) }

    func withBytes(
      _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
      var failure: CheckpointError?
      func run(_ bytes: UnsafeRawBufferPointer) {
        do throws(CheckpointError) { try body(bytes) } catch { failure = error }
      }
      switch contents {
      case .floats(let values): values.withUnsafeBytes(run)
      case .buffer(let values): run(UnsafeRawBufferPointer(values))
      case .integers(let values): values.withUnsafeBytes(run)
      case .stored(_, let make):
        let bytes = try make()
        precondition(bytes.count == byteCount, "\(name) takes \(byteCount) bytes")
        bytes.withUnsafeBytes(run)
      }
      if let failure { throw failure }
    }
  }

  /// Writes `tensors` to the file at `path`, floats as F32 and integers as I64. `isDurable` and
  /// `observe` are as in `FileWriter`.
  ///
  /// The order is that of Hugging Face's writer, wide elements first and then by name, so that
  /// each tensor is aligned to its element and the same tensors make the same bytes. Throws
  /// `CheckpointError` when the file cannot be written; then nothing stands under `path` that did
  /// not before.
  package static func write(
    _ tensors: [Tensor], to path: String, metadata: [String: String] = ["format": "pt"],
    isDurable: Bool = false, observe: @escaping (UnsafeRawBufferPointer) -> Void = { _ in }
  ) throws(CheckpointError) {
    let ordered = tensors.sorted { ($1.type.width, $0.name) < ($0.type.width, $1.name) }
    for (first, second) in zip(ordered, ordered.dropFirst()) {
      precondition(first.name != second.name, "two tensors are called \(first.name)")
    }
    let file = try FileWriter(path: path, isDurable: isDurable, observe: observe)
    try file.write(header(of: ordered, metadata: metadata))
    for tensor in ordered {
      try tensor.withBytes { (bytes) throws(CheckpointError) in try file.write(bytes) }
    }
    try file.finish()
  }

  /// Length and JSON, padded with blanks so that the data begin at a multiple of 8 bytes.
  private static func header(of tensors: [Tensor], metadata: [String: String]) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0)):\(quoted($1))" }
      members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.byteCount
      let shape = tensor.shape.map { "\($0)" }.joined(separator: ",")
      members.append(
        "\(quoted(tensor.name)):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var json = Array("{\(members.joined(separator: ","))}".utf8)
    while !json.count.isMultiple(of: 8) { json.append(UInt8(ascii: " ")) }
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
