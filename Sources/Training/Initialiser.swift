// Starting weights: each tensor from a random stream of its own name, so that a weight starts the
// same on every rank and in every layout. Matrices are normal (report section 4.2), norms are one.

internal import Glibc
internal import Kernels
package import Model

package enum Initialiser {
  /// Fills every weight of the store.
  package static func fill(_ store: ParameterStore, seed: UInt64, deviation: Double) {
    for group in store.groups {
      for parameter in group.parameters {
        let values = UnsafeMutableBufferPointer(
          start: parameter.value.base, count: parameter.shape.count)
        if parameter.shape.isMatrix {
          fillNormal(values, seed: seed, name: parameter.name, deviation: deviation)
        } else {
          values.update(repeating: 1)
        }
      }
    }
  }

  /// Box–Muller pairs from a generator seeded by (seed, name).
  private static func fillNormal(
    _ values: UnsafeMutableBufferPointer<Float>, seed: UInt64, name: String, deviation: Double
  ) {
    var generator = SeededGenerator(seed: seed, stream: nameHash(name))
    var index = 0
    while index < values.count {
      let radius = (-2 * log(uniform(&generator))).squareRoot() * deviation
      let angle = 2 * Double.pi * uniform(&generator)
      values[index] = Float(radius * cos(angle))
      if index + 1 < values.count { values[index + 1] = Float(radius * sin(angle)) }
      index += 2
    }
  }

  /// In (0, 1].
  private static func uniform(_ generator: inout SeededGenerator) -> Double {
    Double((generator.next() >> 11) + 1) * 0x1p-53
  }

  /// FNV-1a over the name's bytes.
  private static func nameHash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
