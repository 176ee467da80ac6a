// FP32 to codes and back. A loop is compiled for each format and way of overflow.

extension NumberFormat {
  /// Writes the codes of `count` numbers, `codeBytes` each, little-endian, rounded to nearest even.
  /// NaN stays NaN and keeps its sign: 0x7fc0, 0x7f, 0x7e, 0x7e0, as the package ml_dtypes has it.
  package func encode(
    _ x: UnsafePointer<Float>, count: Int, into codes: UnsafeMutableRawPointer,
    overflow: Overflow = .saturate
  ) {
    let bytes = codes.assumingMemoryBound(to: UInt8.self)
    let halves = codes.assumingMemoryBound(to: UInt16.self)
    switch (self, overflow) {
    case (.bf16, .saturate): encodeBF16(x, count: count, into: halves, .saturate)
    case (.bf16, .escape): encodeBF16(x, count: count, into: halves, .escape)
    case (.e4m3, .saturate): encodeBytes(.e4m3, x, count, bytes, .saturate)
    case (.e4m3, .escape): encodeBytes(.e4m3, x, count, bytes, .escape)
    case (.e5m2, .saturate): encodeBytes(.e5m2, x, count, bytes, .saturate)
    case (.e5m2, .escape): encodeBytes(.e5m2, x, count, bytes, .escape)
    case (.e5m6, .saturate): encodeHalves(.e5m6, x, count, halves, .saturate)
    case (.e5m6, .escape): encodeHalves(.e5m6, x, count, halves, .escape)
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
    case .e4m3: decodeBytes(.e4m3, bytes, count, x)
    case .e5m2: decodeBytes(.e5m2, bytes, count, x)
    case .e5m6:
      forEachVector(count) { start, lanes in
        let code = load(halves + start, lanes, as: SIMD16<UInt16>.self)
        let value = SmallFloat.e5m6.values(Words(truncatingIfNeeded: code) & 0xfff)
        store(value, lanes, to: x + start)
      }
    }
  }
}

@inline(__always)
private func encodeBytes(
  _ format: SmallFloat, _ x: UnsafePointer<Float>, _ count: Int,
  _ codes: UnsafeMutablePointer<UInt8>, _ overflow: Overflow
) {
  forEachVector(count) { start, lanes in
    let code = format.codes(load(x + start, lanes, as: Floats.self), overflow)
    store(SIMD16<UInt8>(truncatingIfNeeded: code), lanes, to: codes + start)
  }
}

@inline(__always)
private func encodeHalves(
  _ format: SmallFloat, _ x: UnsafePointer<Float>, _ count: Int,
  _ codes: UnsafeMutablePointer<UInt16>, _ overflow: Overflow
) {
  forEachVector(count) { start, lanes in
    let code = format.codes(load(x + start, lanes, as: Floats.self), overflow)
    store(SIMD16<UInt16>(truncatingIfNeeded: code), lanes, to: codes + start)
  }
}

@inline(__always)
private func decodeBytes(
  _ format: SmallFloat, _ codes: UnsafePointer<UInt8>, _ count: Int,
  _ x: UnsafeMutablePointer<Float>
) {
  forEachVector(count) { start, lanes in
    let code = Words(truncatingIfNeeded: load(codes + start, lanes, as: SIMD16<UInt8>.self))
    store(format.values(code), lanes, to: x + start)
  }
}
