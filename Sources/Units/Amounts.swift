// Bytes, bytes a second, floating-point operations and their rate. Powers of ten, as vendors count;
// network rates are per direction.

/// A number of bytes.
package struct ByteCount: Hashable, Comparable, Sendable {
  package var bytes: Int

  package init(_ bytes: Int) { self.bytes = bytes }

  package static let zero = ByteCount(0)
  package static func < (left: Self, right: Self) -> Bool { left.bytes < right.bytes }
  package static func + (left: Self, right: Self) -> Self { Self(left.bytes + right.bytes) }
  package static func += (left: inout Self, right: Self) { left = left + right }
}

/// Bytes a second; positive.
package struct Bandwidth: Hashable, Comparable, Sendable {
  package var bytesPerSecond: Double

  package init(bytesPerSecond: Double) { self.bytesPerSecond = bytesPerSecond }
  /// 1 GB/s = 1e9 bytes a second.
  package init(gigabytesPerSecond: Double) { bytesPerSecond = gigabytesPerSecond * 1e9 }
  package init(terabytesPerSecond: Double) { bytesPerSecond = terabytesPerSecond * 1e12 }

  package static func < (left: Self, right: Self) -> Bool {
    left.bytesPerSecond < right.bytesPerSecond
  }
  package static func * (left: Self, factor: Double) -> Self {
    Self(bytesPerSecond: left.bytesPerSecond * factor)
  }

  /// How long `bytes` take at this rate.
  package func time(for bytes: Double) -> VirtualDuration {
    VirtualDuration(seconds: bytes / bytesPerSecond)
  }
}

/// Floating-point operations a second, a multiply-add counted as two.
package struct ComputeRate: Hashable, Comparable, Sendable {
  package var flopsPerSecond: Double

  package init(flopsPerSecond: Double) { self.flopsPerSecond = flopsPerSecond }
  package init(teraFLOPS: Double) { flopsPerSecond = teraFLOPS * 1e12 }

  package static func < (left: Self, right: Self) -> Bool {
    left.flopsPerSecond < right.flopsPerSecond
  }
}
