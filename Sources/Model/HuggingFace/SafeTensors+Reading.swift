// Elements of a tensor as the types that the program computes with.

extension SafeTensors {
  /// The tensor's elements, row by row, converted to Float from F32, F16, BF16 or F64.
  ///
  /// Throws `CheckpointError` when there is no such tensor or it has another type.
  package func floats(_ name: String) throws(CheckpointError) -> [Float] {
    let info = try info(name)
    var failure: CheckpointError?
    let floats = [Float](unsafeUninitializedCapacity: info.elements) { buffer, count in
      let destination = UnsafeMutableBufferPointer(rebasing: buffer[..<info.elements])
      do throws(CheckpointError) {
        try copy(name, into: destination)
        count = info.elements
      } catch {
        failure = error
        count = 0
      }
    }
    if let failure { throw failure }
    return floats
  }

  /// Writes the tensor's elements, converted as by `floats(_:)`, to `destination`, which must have
  /// room for exactly as many.
  package func copy(
    _ name: String, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    let info = try info(name)
    precondition(
      destination.count == info.elements,
      "\(name) has \(info.elements) elements, the destination \(destination.count)")
    let bytes = UnsafeRawBufferPointer(rebasing: mapping.bytes[info.bytes])
    switch info.type {
    case .f32:
      UnsafeMutableRawBufferPointer(destination).copyMemory(from: bytes)
    case .bf16:
      convert(bytes, UInt16.self, into: destination) { Float(bitPattern: UInt32($0) << 16) }
    case .f16:
      convert(bytes, UInt16.self, into: destination) { Float(Float16(bitPattern: $0)) }
    case .f64:
      convert(bytes, Double.self, into: destination) { Float($0) }
    default:
      try requireFloats(info)
    }
  }

  /// Writes some elements of an F32 tensor, by their numbers in the row-major order, to
  /// `destination`.
  ///
  /// Throws `CheckpointError` when there is no such tensor, it has another type or fewer elements.
  package func copy(
    _ name: String, elements: Range<Int>, into destination: UnsafeMutablePointer<Float>
  ) throws(CheckpointError) {
    let info = try info(name)
    guard info.type == .f32 else { throw wrongType(info, "F32") }
    guard elements.lowerBound >= 0, elements.upperBound <= info.elements else {
      throw CheckpointError(
        .badData, file: source, tensor: name,
        message: "\(info.elements) elements where \(elements) are needed")
    }
    let first = info.bytes.lowerBound + 4 * elements.lowerBound
    let bytes = UnsafeRawBufferPointer(
      rebasing: mapping.bytes[first..<first + 4 * elements.count])
    UnsafeMutableRawBufferPointer(start: destination, count: 4 * elements.count)
      .copyMemory(from: bytes)
  }

  /// Throws `CheckpointError` unless the tensor's type is one that `floats(_:)` converts.
  func requireFloats(_ info: Info) throws(CheckpointError) {
    guard [.f32, .f16, .bf16, .f64].contains(info.type) else {
      throw wrongType(info, "F32, F16, BF16 or F64")
    }
  }

  /// The tensor's elements, row by row, from I64 or I32.
  ///
  /// Throws `CheckpointError` when there is no such tensor or it has another type.
  package func integers(_ name: String) throws(CheckpointError) -> [Int] {
    let info = try info(name)
    let bytes = UnsafeRawBufferPointer(rebasing: mapping.bytes[info.bytes])
    switch info.type {
    case .i64:
      return (0..<info.elements).map {
        Int(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
      }
    case .i32:
      return (0..<info.elements).map {
        Int(bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self))
      }
    default:
      throw wrongType(info, "I64 or I32")
    }
  }

  private func convert<Stored: BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ type: Stored.Type,
    into destination: UnsafeMutableBufferPointer<Float>, _ value: (Stored) -> Float
  ) {
    for index in destination.indices {
      let offset = index * MemoryLayout<Stored>.size
      destination[index] = value(bytes.loadUnaligned(fromByteOffset: offset, as: Stored.self))
    }
  }

  private func wrongType(_ info: Info, _ expected: String) -> CheckpointError {
    CheckpointError(
      .badData, file: source, tensor: info.name,
      message: "dtype \(info.type.rawValue) where \(expected) is needed")
  }
}
