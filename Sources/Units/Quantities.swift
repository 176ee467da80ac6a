// The units of this room's types. Powers of ten as vendors count; GiB and its like are read too.

extension Bandwidth: Quantity {
  package static let wanted = "a bandwidth such as 400 Gbps"

  package static let units: [QuantityUnit] = {
    let prefixes = ["", "k", "M", "G", "T", "P"]
    let bytes = prefixes.enumerated().map { index, prefix in
      QuantityUnit(name: prefix + "B/s", decimalExponent: 3 * index)
    }
    let bits = prefixes.enumerated().map { index, prefix in
      QuantityUnit(
        name: prefix + "bps", aliases: [prefix + "b/s", prefix + "bit/s"],
        decimalExponent: 3 * index, binaryExponent: -3)
    }
    return bytes + bits
  }()

  package static let limits = Double.leastNormalMagnitude...Double.greatestFiniteMagnitude

  package init(baseUnits: Double) { self.init(bytesPerSecond: baseUnits) }
  package var baseUnits: Double { bytesPerSecond }
}

extension ComputeRate: Quantity {
  package static let wanted = "a rate such as 989.4 TFLOPS"

  package static let units = ["", "k", "M", "G", "T", "P", "E"].enumerated().map {
    QuantityUnit(name: $1 + "FLOPS", aliases: [$1 + "FLOP/s"], decimalExponent: 3 * $0)
  }

  package static let limits = Double.leastNormalMagnitude...Double.greatestFiniteMagnitude

  package init(baseUnits: Double) { self.init(flopsPerSecond: baseUnits) }
  package var baseUnits: Double { flopsPerSecond }
}

extension ByteCount: Quantity {
  package static let wanted = "a number of bytes such as 80 GB"

  package static let units: [QuantityUnit] = {
    let decimal = ["B", "kB", "MB", "GB", "TB", "PB"].enumerated().map { index, name in
      QuantityUnit(name: name, decimalExponent: 3 * index)
    }
    let binary = ["KiB", "MiB", "GiB", "TiB"].enumerated().map { index, name in
      QuantityUnit(name: name, binaryExponent: 10 * (index + 1))
    }
    return decimal + binary
  }()

  /// Whole numbers that a Double holds exactly.
  package static let limits = 1...0x1p53

  package init(baseUnits: Double) { self.init(Int(baseUnits.rounded(.toNearestOrEven))) }
  package var baseUnits: Double { Double(bytes) }
}

extension VirtualDuration: Quantity {
  package static let wanted = "a duration such as 2.8 us"

  package static let units = [
    QuantityUnit(name: "ps"), QuantityUnit(name: "ns", decimalExponent: 3),
    // The micro sign and the Greek letter.
    QuantityUnit(name: "us", aliases: ["\u{B5}s", "\u{3BC}s"], decimalExponent: 6),
    QuantityUnit(name: "ms", decimalExponent: 9), QuantityUnit(name: "s", decimalExponent: 12),
  ]

  /// Whole numbers that a Double holds exactly, two and a half hours. None at all is a duration.
  package static let limits = 0...0x1p53

  package init(baseUnits: Double) {
    self.init(picoseconds: Int64(baseUnits.rounded(.toNearestOrEven)))
  }
  package var baseUnits: Double { Double(picoseconds) }
}
