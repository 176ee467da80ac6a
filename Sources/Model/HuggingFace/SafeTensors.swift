// A file of named tensors in Hugging Face's safetensors format: eight bytes of header length, a
// JSON header, then the tensors' bytes one after another without gaps.

/// Element types that the format names. Those without a conversion below can be listed, not read.
package enum TensorType: String, Sendable, CaseIterable {
  case f64 = "F64"
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case f8e4m3 = "F8_E4M3"
  case f8e5m2 = "F8_E5M2"
  case i64 = "I64"
  case i32 = "I32"
  case i16 = "I16"
  case i8 = "I8"
  case u64 = "U64"
  case u32 = "U32"
  case u16 = "U16"
  case u8 = "U8"
  case bool = "BOOL"

  /// Bytes of one element.
  package var width: Int {
    switch self {
    case .f64, .i64, .u64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .f8e4m3, .f8e5m2, .i8, .u8, .bool: 1
    }
  }
}

/// An open safetensors file. Opening checks the whole header against the file's size; after that
/// every tensor's bytes are known to be there.
package struct SafeTensors {
  /// What the header says of one tensor.
  package struct Info: Equatable, Sendable {
    package var name: String
    package var type: TensorType
    package var shape: [Int]
    /// Bytes of the tensor in the file, counted from the file's start.
    package var bytes: Range<Int>

    package var elements: Int { bytes.count / type.width }
  }

  /// Path of the file, as errors name it.
  package let source: String
  /// The tensors in the order of their bytes.
  package let tensors: [Info]
  /// The header's `__metadata__`.
  package let metadata: [String: String]

  let mapping: FileMapping
  private let positions: [String: Int]

  /// Maps and checks the file at `path`.
  ///
  /// Throws `CheckpointError` when there is no such file, or its header is not JSON, does not fit
  /// the file, or does not place every byte in exactly one tensor.
  package init(path: String) throws(CheckpointError) {
    try self.init(mapping: FileMapping(path: path), source: path)
  }

  /// The same for bytes in memory; `source` names them in errors.
  package init(bytes: [UInt8], source: String) throws(CheckpointError) {
    try self.init(mapping: FileMapping(contents: bytes), source: source)
  }

  private init(mapping: FileMapping, source: String) throws(CheckpointError) {
    let header = try SafeTensorsHeader(of: mapping.bytes, source: source)
    self.mapping = mapping
    self.source = source
    tensors = header.tensors
    metadata = header.metadata
    positions = Dictionary(
      uniqueKeysWithValues: header.tensors.enumerated().map { ($1.name, $0) })
  }

  /// Names of the tensors in the order of their bytes.
  package var names: [String] { tensors.map(\.name) }

  package func contains(_ name: String) -> Bool { positions[name] != nil }

  /// Type, shape and place of a tensor; throws `CheckpointError` when the file has none such.
  package func info(_ name: String) throws(CheckpointError) -> Info {
    guard let position = positions[name] else {
      throw CheckpointError(
        .badData, file: source, tensor: name,
        message: "missing; the file has \(tensors.count) other tensors")
    }
    return tensors[position]
  }
}
