// How numbers are stored in memory, and the bytes that a matrix takes in each format. The 8- and
// 12-bit formats carry a scale for each tile of 128 neighbours (report section 3.3).

/// A storage format of tensors.
package enum StorageFormat: Hashable, Sendable, CaseIterable {
  case fp32
  case bf16
  /// 12 bits, packed: 1 sign, 5 exponent, 6 mantissa.
  case e5m6
  /// E4M3 codes.
  case fp8

  /// Bits of one code.
  package var bits: Int {
    switch self {
    case .fp32: 32
    case .bf16: 16
    case .e5m6: 12
    case .fp8: 8
    }
  }

  /// Whether tiles have scales.
  package var isScaled: Bool { self == .fp8 || self == .e5m6 }

  /// Neighbours that share a scale: 1 × 128 of an activation, 128 × 128 of a weight.
  static let tile = 128
  /// Scales are FP32, as the exchange and the GEMM kernels take them.
  static let scaleBytes = 4

  /// Bytes of an activation [rows, columns], scales included.
  package func bytes(rows: Int, columns: Int) -> Int {
    let codes = (rows * columns * bits + 7) / 8
    guard isScaled else { return codes }
    return codes + rows * ((columns + Self.tile - 1) / Self.tile) * Self.scaleBytes
  }

  /// Bytes of `count` weights, a scale for each 128 × 128 of them. Blocks that a matrix fills only
  /// in part count by their share.
  package func bytes(weights count: Int) -> Int {
    let codes = (count * bits + 7) / 8
    guard isScaled else { return codes }
    let block = Self.tile * Self.tile
    return codes + (count + block - 1) / block * Self.scaleBytes
  }
}
