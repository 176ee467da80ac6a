// SwiGLU: a = silu(g) · u over rows that hold g and u side by side, optionally times a gate for
// each row (a routed expert's affinity), which is where the gate's own gradient comes out.

/// a [rows, width] = gate · silu(g) · u, `gateUp` [rows, 2·width] = [g | u], `gates` [rows].
package func swiGLU(_ gateUp: Matrix, gates: UnsafePointer<Float>?, into a: Matrix) {
  let width = a.columns
  for row in 0..<a.rows {
    let g = gateUp.row(row)
    let u = g + width
    let target = a.row(row)
    let factor = gates?[row] ?? 1
    var i = 0
    while i + 8 <= width {
      let x = g.vector(i)
      target.store(x * sigmoid(x) * u.vector(i) * factor, i)
      i += 8
    }
    if i < width {
      let x = g.tail(i, width - i)
      target.storeTail(x * sigmoid(x) * u.tail(i, width - i) * factor, i, width - i)
    }
  }
}

/// Overwrites [g | u] with [dg | du], given da [rows, width]; for gated rows also
/// `gateGradients[row]` = ⟨da, silu(g)·u⟩.
package func swiGLUGradient(
  _ da: Matrix, gates: UnsafePointer<Float>?, gateUp: Matrix,
  gateGradients: UnsafeMutablePointer<Float>?
) {
  let width = da.columns
  for row in 0..<da.rows {
    let g = gateUp.row(row)
    let u = g + width
    let gradient = da.row(row)
    let factor = gates?[row] ?? 1
    var dot = Vector(repeating: 0)
    var i = 0
    while i + 8 <= width {
      let (dg, du, product) = swiGLULanes(g.vector(i), u.vector(i), gradient.vector(i))
      dot += product
      g.store(dg * factor, i)
      u.store(du * factor, i)
      i += 8
    }
    if i < width {
      let rest = width - i
      let (dg, du, product) = swiGLULanes(
        g.tail(i, rest), u.tail(i, rest), gradient.tail(i, rest))
      dot += product
      g.storeTail(dg * factor, i, rest)
      u.storeTail(du * factor, i, rest)
    }
    gateGradients?[row] = laneSum(dot)
  }
}

/// d silu(x)/dx = σ(x) (1 + x (1 − σ(x))).
@inline(__always)
private func swiGLULanes(_ g: Vector, _ u: Vector, _ da: Vector) -> (Vector, Vector, Vector) {
  let s = sigmoid(g)
  let silu = g * s
  let du = da * silu
  return (da * u * (s + silu * (Float(1) - s)), du, du * u)
}
