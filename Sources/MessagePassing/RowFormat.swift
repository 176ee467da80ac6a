// What a token row looks like on its way to the experts and back (DeepSeek-V3 report, sections
// 3.2.2 and 3.3.2: dispatch in FP8 with scales that are powers of two, combine in BF16).

/// Wire format of token rows. Rows that go out (dispatch, scatter) are only copied; rows that come
/// back (combine, gather) are added up on the way.
package enum RowFormat: String, Hashable, Sendable, CaseIterable {
  /// 4 × hidden bytes.
  case fp32
  /// 2 × hidden bytes.
  case bf16
  /// hidden codes of E4M3 and a byte for the scale of each 128 of them: UE8M0, the exponent byte of
  /// an FP32 power of two. Out only: sums of such rows are no such rows.
  case fp8

  /// Bytes of a code.
  package var codeBytes: Int {
    switch self {
    case .fp32: 4
    case .bf16: 2
    case .fp8: 1
    }
  }

  /// Scales of a row.
  package func scales(hidden: Int) -> Int { self == .fp8 ? (hidden + 127) / 128 : 0 }

  /// Bytes of a row in a message, scales included.
  package func bytes(hidden: Int) -> Int { hidden * codeBytes + scales(hidden: hidden) }
}

/// Rows in their format: codes [rows, hidden] of 4, 2 or 1 bytes each, and for FP8 the scales
/// [rows, ⌈hidden/128⌉], each a power of two or 0.
package struct TokenRows {
  package var codes: UnsafeRawPointer
  package var scales: UnsafePointer<Float>?

  package init(codes: UnsafeRawPointer, scales: UnsafePointer<Float>? = nil) {
    self.codes = codes
    self.scales = scales
  }

  /// FP32 rows.
  package init(_ rows: UnsafePointer<Float>) { self.init(codes: UnsafeRawPointer(rows)) }

  package init(_ rows: MutableTokenRows) {
    self.init(codes: UnsafeRawPointer(rows.codes), scales: rows.scales.map { UnsafePointer($0) })
  }

  var floats: UnsafePointer<Float> { codes.assumingMemoryBound(to: Float.self) }
}

/// Memory for rows, as in `TokenRows`.
package struct MutableTokenRows {
  package var codes: UnsafeMutableRawPointer
  package var scales: UnsafeMutablePointer<Float>?

  package init(codes: UnsafeMutableRawPointer, scales: UnsafeMutablePointer<Float>? = nil) {
    self.codes = codes
    self.scales = scales
  }

  /// For FP32 rows.
  package init(_ rows: UnsafeMutablePointer<Float>) {
    self.init(codes: UnsafeMutableRawPointer(rows))
  }
}

/// Copies rows that go out. In a message a row is a record of `bytes`: its codes, then its scales.
struct RowCopier {
  enum Source {
    case memory(TokenRows)
    case records(UnsafeRawPointer)
  }

  enum Target {
    case memory(MutableTokenRows)
    case records(UnsafeMutableRawPointer)
  }

  /// Of a record.
  let bytes: Int
  /// Of a row's codes.
  private let codeBytes: Int
  private let scales: Int

  init(_ format: RowFormat, hidden: Int) {
    bytes = format.bytes(hidden: hidden)
    codeBytes = hidden * format.codeBytes
    scales = format.scales(hidden: hidden)
  }

  /// Copies rows `row` ..< `row` + `count` to rows `to` ….
  func copy(
    _ count: Int = 1, from source: Source, at row: Int, to target: Target, at to: Int
  ) {
    switch (source, target) {
    case (.records(let from), .records(let into)):
      (into + to * bytes).copyMemory(from: from + row * bytes, byteCount: count * bytes)
    case (.memory(let from), .memory(let into)):
      (into.codes + to * codeBytes).copyMemory(
        from: from.codes + row * codeBytes, byteCount: count * codeBytes)
      if let (old, new) = pair(from.scales, into.scales) {
        (new + to * scales).update(from: old + row * scales, count: count * scales)
      }
    case (.memory(let from), .records(let into)):
      pack(count, from, row, into + to * bytes)
    case (.records(let from), .memory(let into)):
      unpack(count, from + row * bytes, into, to)
    }
  }

  private func pack(
    _ count: Int, _ rows: TokenRows, _ row: Int, _ records: UnsafeMutableRawPointer
  ) {
    let codes = rows.codes + row * codeBytes
    guard scales > 0 else {
      return records.copyMemory(from: codes, byteCount: count * codeBytes)
    }
    let from = scalesOrTrap(rows.scales) + row * scales
    var lost: UInt32 = 0
    for index in 0..<count {
      let record = records + index * bytes
      record.copyMemory(from: codes + index * codeBytes, byteCount: codeBytes)
      for scale in 0..<scales {
        let bits = from[index * scales + scale].bitPattern
        lost |= bits & 0x807f_ffff
        record.storeBytes(
          of: UInt8(truncatingIfNeeded: bits >> 23), toByteOffset: codeBytes + scale,
          as: UInt8.self)
      }
    }
    precondition(lost == 0, "a scale of an FP8 row is no power of two")
  }

  private func unpack(
    _ count: Int, _ records: UnsafeRawPointer, _ rows: MutableTokenRows, _ row: Int
  ) {
    let codes = rows.codes + row * codeBytes
    guard scales > 0 else {
      return codes.copyMemory(from: records, byteCount: count * codeBytes)
    }
    let into = scalesOrTrap(rows.scales) + row * scales
    for index in 0..<count {
      let record = records + index * bytes
      (codes + index * codeBytes).copyMemory(from: record, byteCount: codeBytes)
      for scale in 0..<scales {
        let exponent = record.load(fromByteOffset: codeBytes + scale, as: UInt8.self)
        into[index * scales + scale] = Float(bitPattern: UInt32(exponent) << 23)
      }
    }
  }

  private func pair(
    _ old: UnsafePointer<Float>?, _ new: UnsafeMutablePointer<Float>?
  ) -> (UnsafePointer<Float>, UnsafeMutablePointer<Float>)? {
    scales == 0 ? nil : (scalesOrTrap(old), scalesOrTrap(new))
  }

  private func scalesOrTrap<Pointer>(_ scales: Pointer?) -> Pointer {
    guard let scales else { preconditionFailure("FP8 rows have scales") }
    return scales
  }
}
