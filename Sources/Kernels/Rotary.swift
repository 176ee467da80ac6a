// Rotary position embedding over interleaved pairs (2i, 2i+1), as DeepSeek's weights expect.

/// Rotates each pair of `row` [2 · half] by its angle: `direction` 1 forward, −1 for the gradient.
@inline(__always)
package func rotatePairs(
  _ row: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>,
  half: Int, direction: Float
) {
  for i in 0..<half {
    let x = row[2 * i]
    let y = row[2 * i + 1]
    let c = cosines[i]
    let s = sines[i] * direction
    row[2 * i] = x * c - y * s
    row[2 * i + 1] = x * s + y * c
  }
}
