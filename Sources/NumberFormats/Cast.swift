// FP32 to codes and back. A loop is compiled for each format.

extension NumberFormat {
  /// Writes the codes of `count` numbers, `codeBytes` each, little-endian, rounded to nearest even.
  /// NaN stays NaN and keeps its sign: 0x7fc0, 0x7f, 0x7e, 0x7e0, as the package ml_dtypes has it.
  package func encode(
    _ x: UnsafePointer<Float>, count: Int, into codes: UnsafeMutableRawPointer,
    overflow: Overflow = .saturate
  ) {
    let bytes = codes.assumingMemoryBound(to: UInt8.self)
    let halves = codes.assumingMemoryBound(to: UInt16.self)
    switch self {
    case .bf16: encodeBF16(x, count: count, into: halves, overflow)
    case .e4m3: encodeBytes(E4M3.self, x, count, bytes, E4M3.limit(overflow))
    case .e5m2: encodeBytes(E5M2.self, x, count, bytes, E5M2.limit(overflow))
    case .e5m6:
      let limit = E5M6.limit(overflow)
      @inline(__always)
      func step(_ start: Int, _ lanes: Int) {
        let code = E5M6.codes(load(x + start, lanes, as: Floats.self), limit: limit)
        store(SIMD8<UInt16>(truncatingIfNeeded: code), lanes, to: halves + start)
      }
      forEachVector(count, step)
    }
  }

  /// The numbers that `count` codes stand for; exact. All NaNs of a format narrower than 16 bits
  /// become the quiet NaN of their sign.
  package func decode(
    _ codes: UnsafeRawPointer, count: Int, into x: UnsafeMutablePointer<Float>
  ) {
    let bytes = codes.assumingMemoryBound(to: UInt8.self)
    let halves = codes.assumingMemoryBound(to: UInt16.self)
    switch self {
    case .bf16: decodeBF16(halves, count: count, into: x)
    case .e4m3: decodeBytes(E4M3.self, bytes, count, x)
    case .e5m2: decodeBytes(E5M2.self, bytes, count, x)
    case .e5m6:
      @inline(__always)
      func step(_ start: Int, _ lanes: Int) {
        let code = load(halves + start, lanes, as: SIMD8<UInt16>.self)
        let value = E5M6.values(Words(truncatingIfNeeded: code) & 0xfff)
        store(value, lanes, to: x + start)
      }
      forEachVector(count, step)
    }
  }
}

private func encodeBytes<Format: SmallFloat>(
  _ format: Format.Type, _ x: UnsafePointer<Float>, _ count: Int,
  _ codes: UnsafeMutablePointer<UInt8>, _ limit: UInt32
) {
  @inline(__always)
  func step(_ start: Int, _ lanes: Int) {
    let code = Format.codes(load(x + start, lanes, as: Floats.self), limit: limit)
    store(SIMD8<UInt8>(truncatingIfNeeded: code), lanes, to: codes + start)
  }
  forEachVector(count, step)
}

private func decodeBytes<Format: SmallFloat>(
  _ format: Format.Type, _ codes: UnsafePointer<UInt8>, _ count: Int,
  _ x: UnsafeMutablePointer<Float>
) {
  @inline(__always)
  func step(_ start: Int, _ lanes: Int) {
    let code = Words(truncatingIfNeeded: load(codes + start, lanes, as: SIMD8<UInt8>.self))
    store(Format.values(code), lanes, to: x + start)
  }
  forEachVector(count, step)
}
