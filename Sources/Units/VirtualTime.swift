// Virtual time: integer picoseconds, so that the same workload gives the same timeline, bit for
// bit, on any machine. An instant is counted from the start of the step; Int64 reaches 106 days.

/// A span of virtual time, in picoseconds.
package struct VirtualDuration: Hashable, Comparable, Sendable {
  package var picoseconds: Int64

  package init(picoseconds: Int64) { self.picoseconds = picoseconds }

  /// The nearest picosecond to `value` seconds; halves go to even. Traps beyond ±106 days.
  package init(seconds value: Double) {
    picoseconds = Int64((value * 1e12).rounded(.toNearestOrEven))
  }

  /// The nearest picosecond to `value` microseconds.
  package init(microseconds value: Double) { self.init(seconds: value / 1e6) }

  package static let zero = VirtualDuration(picoseconds: 0)

  package var seconds: Double { Double(picoseconds) / 1e12 }

  package static func < (left: Self, right: Self) -> Bool { left.picoseconds < right.picoseconds }
  package static func + (left: Self, right: Self) -> Self {
    Self(picoseconds: left.picoseconds + right.picoseconds)
  }
  package static func - (left: Self, right: Self) -> Self {
    Self(picoseconds: left.picoseconds - right.picoseconds)
  }
  package static func * (left: Self, factor: Int) -> Self {
    Self(picoseconds: left.picoseconds * Int64(factor))
  }
  package static func += (left: inout Self, right: Self) { left = left + right }

  /// Scaled, to the nearest picosecond.
  package func scaled(by factor: Double) -> Self {
    Self(picoseconds: Int64((Double(picoseconds) * factor).rounded(.toNearestOrEven)))
  }
}

/// A moment of virtual time, in picoseconds since the step began.
package struct VirtualInstant: Hashable, Comparable, Sendable {
  package var picoseconds: Int64

  package init(picoseconds: Int64) { self.picoseconds = picoseconds }

  /// The beginning of the step.
  package static let start = VirtualInstant(picoseconds: 0)

  package var sinceStart: VirtualDuration { VirtualDuration(picoseconds: picoseconds) }

  package static func < (left: Self, right: Self) -> Bool { left.picoseconds < right.picoseconds }
  package static func + (left: Self, right: VirtualDuration) -> Self {
    Self(picoseconds: left.picoseconds + right.picoseconds)
  }
  package static func - (left: Self, right: Self) -> VirtualDuration {
    VirtualDuration(picoseconds: left.picoseconds - right.picoseconds)
  }
}
