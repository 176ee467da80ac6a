// Kernels that were measured, as a fit takes them: from a table (Measurements+CSV) or from a
// profiler's trace (Measurements+Trace).

/// What kernels a fit groups together, and prints errors for.
package enum KernelFamily: Hashable, Sendable, CustomStringConvertible {
  case product, weightGradient, attention, router
  case memory(MemoryClass)

  package var description: String {
    switch self {
    case .product: "product"
    case .weightGradient: "weight gradient"
    case .attention: "attention"
    case .router: "router"
    case .memory(let memoryClass): "memory: \(memoryClass)"
    }
  }
}

extension KernelWork {
  /// The family whose constants price this work; nil for what is not fitted.
  package var family: KernelFamily? {
    switch self {
    case .product: .product
    case .weightGradient: .weightGradient
    case .attentionForward, .attentionBackward: .attention
    case .router: .router
    case .memory(let memoryClass, _): .memory(memoryClass)
    case .largeProduct, .small: nil
    }
  }
}

/// One operation, with what was measured of it.
package struct MeasuredKernel: Hashable, Sendable {
  package struct Sample: Hashable, Sendable {
    package var work: KernelWork
    package var microseconds: Double
    /// Share of the time in which a transfer of the expert exchange ran, 0 to 1.
    package var overlap: Double
  }

  package var phase: String
  package var name: String
  /// At least one, all of one family.
  package var samples: [Sample]
}

/// Measured kernels, and what could not be made use of.
package struct Measurements: Hashable, Sendable {
  /// Time of kernels that no law is fitted to.
  package struct Unmatched: Hashable, Sendable {
    package var name: String
    /// Why it is left out.
    package var reason: String
    package var count: Int
    /// Of all of them together.
    package var microseconds: Double
  }

  package var kernels: [MeasuredKernel]
  package var unmatched: [Unmatched]
  /// SMs that most of the products ran on; nil when the source does not say.
  package var sms: Int?

  /// Reads a table or a trace, whichever `bytes` are.
  ///
  /// Throws `FabricError` of kind `.badData` that names `source` and the line or event.
  package init(reading bytes: [UInt8], source: String) throws(FabricError) {
    let first = bytes.first { !" \t\r\n".utf8.contains($0) }
    let isJSON = first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    self =
      isJSON
      ? try Measurements(trace: bytes, source: source)
      : try Measurements(csv: bytes, source: source)
    guard !kernels.isEmpty else {
      throw FabricError(
        .badData, source: source,
        message: "no kernel with a kind and a shape that constants can be fitted to")
    }
  }

  init(kernels: [MeasuredKernel], unmatched: [Unmatched], sms: [Int]) {
    self.kernels = kernels
    self.unmatched = unmatched.sorted { $0.microseconds > $1.microseconds }
    let counts = Dictionary(grouping: sms) { $0 }.mapValues(\.count)
    self.sms = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
  }
}
