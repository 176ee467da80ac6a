// The fast form of the emulation. 128 terms at a time A is unpacked to floats and exponents, then
// each 32 columns of B, which stay in the first-level cache while all rows of A pass.

extension EmulatedProduct {
  /// The rules of the tensor core.
  func applyTensorCore(_ rule: SumRule, into c: Matrix, adding: Bool) {
    if m == 0 || n == 0 { return }
    let work = PanelWork(left, right, rule: rule, hasOneScale: hasOneScale)
    for chunk in 0..<(k + Self.chunk - 1) / Self.chunk {
      work.unpackA(chunk)
      for panel in 0..<work.panels {
        work.unpackB(chunk, panel)
        work.addPanel(chunk, panel)
      }
    }
    work.write(to: c, adding: adding)
  }
}

/// The memory of one product, and its passes.
private struct PanelWork {
  let (left, right): (CodeOperand, CodeOperand)
  let rule: SumRule
  let hasOneScale: Bool
  let panels: Int
  /// [m, panels · 32]: the tensor core's sums, or the promoted ones.
  private let sums: Tensor
  /// [m, 128] and [128, 32], with as many exponents, and scales.
  private let (a, b): (Tensor, Tensor)
  private let (exponentMemoryA, exponentMemoryB): (Tensor, Tensor)
  private let (scalesA, scalesB): (Tensor, Tensor)
  private let table = CodeTable.e4m3

  init(_ left: CodeOperand, _ right: CodeOperand, rule: SumRule, hasOneScale: Bool) {
    (self.left, self.right) = (left, right)
    (self.rule, self.hasOneScale) = (rule, hasOneScale)
    let (m, depth) = (left.outer, EmulatedProduct.chunk)
    panels = (right.outer + 31) / 32
    sums = .zeros(m, panels * 32, for: .emulation)
    (a, b) = (Tensor(m, depth, for: .emulation), Tensor(depth, 32, for: .emulation))
    exponentMemoryA = Tensor(m, depth / 4, for: .emulation)
    exponentMemoryB = Tensor(depth, 8, for: .emulation)
    (scalesA, scalesB) = (Tensor(1, m, for: .emulation), Tensor(1, 32, for: .emulation))
  }

  private var exponentsOfA: UnsafeMutablePointer<Int8> {
    UnsafeMutableRawPointer(exponentMemoryA.base).assumingMemoryBound(to: Int8.self)
  }
  private var exponentsOfB: UnsafeMutablePointer<Int8> {
    UnsafeMutableRawPointer(exponentMemoryB.base).assumingMemoryBound(to: Int8.self)
  }

  private func terms(_ chunk: Int) -> Range<Int> {
    let start = chunk * EmulatedProduct.chunk
    return start..<min(start + EmulatedProduct.chunk, left.terms)
  }

  private func groups(_ chunk: Int) -> Int {
    (terms(chunk).count + EmulatedProduct.group - 1) / EmulatedProduct.group
  }

  func unpackA(_ chunk: Int) {
    let (terms, padded) = (terms(chunk), groups(chunk) * EmulatedProduct.group)
    let depth = EmulatedProduct.chunk
    table.values.withUnsafeBufferPointer { values in
      table.exponents.withUnsafeBufferPointer { exponents in
        for i in 0..<left.outer {
          let (floats, bytes) = (a.base + i * depth, exponentsOfA + i * depth)
          let source = left.codes + i * left.outerStep + terms.lowerBound * left.termStep
          for term in 0..<terms.count {
            let code = Int(source[term * left.termStep])
            floats[term] = values[code]
            bytes[term] = exponents[code]
          }
          for term in terms.count..<padded { (floats[term], bytes[term]) = (0, CodeTable.zero) }
          scalesA.base[i] = left.scale(i, chunk: chunk)
        }
      }
    }
  }

  func unpackB(_ chunk: Int, _ panel: Int) {
    let terms = terms(chunk)
    let columns = min(32, right.outer - panel * 32)
    if columns < 32 || terms.count % EmulatedProduct.group != 0 {
      b.fill(0)
      exponentsOfB.update(repeating: CodeTable.zero, count: 32 * EmulatedProduct.chunk)
      scalesB.fill(0)
    }
    let source = right.codes + panel * 32 * right.outerStep + terms.lowerBound * right.termStep
    table.values.withUnsafeBufferPointer { values in
      table.exponents.withUnsafeBufferPointer { exponents in
        for column in 0..<columns {
          scalesB.base[Lanes32.position(column)] = right.scale(panel * 32 + column, chunk: chunk)
          let (floats, bytes) = (b.base + Lanes32.position(column), exponentsOfB + column)
          let line = source + column * right.outerStep
          for term in 0..<terms.count {
            let code = Int(line[term * right.termStep])
            floats[term * 32] = values[code]
            bytes[term * 32] = exponents[code]
          }
        }
      }
    }
  }

  func addPanel(_ chunk: Int, _ panel: Int) {
    let groups = groups(chunk)
    let scale = Lanes32(scalesB.base)
    for i in 0..<left.outer {
      let place = sums.base + (i * panels + panel) * 32
      let terms = PackedTerms(
        a: a.base + i * EmulatedProduct.chunk,
        exponentsOfA: exponentsOfA + i * EmulatedProduct.chunk,
        b: b.base, exponentsOfB: exponentsOfB)
      let rowScale = scalesA.base[i]
      var lanes = Lanes32()
      if rule == .promoted {
        terms.add(groups: groups, to: &lanes, scale: nil)
        lanes = lanes.map { $0 * rowScale }.zip(scale) { $0 * $1 }
        lanes = Lanes32(place).zip(lanes) { $0 + $1 }
      } else if hasOneScale {
        lanes = Lanes32(place)
        terms.add(groups: groups, to: &lanes, scale: nil)
      } else {
        lanes = Lanes32(place)
        terms.add(groups: groups, to: &lanes, scale: scale.map { $0 * rowScale })
      }
      lanes.store(place)
    }
  }

  func write(to c: Matrix, adding: Bool) {
    let hasScaleToCome = rule == .tensorCore && hasOneScale && left.terms > 0
    for i in 0..<left.outer {
      let (line, target) = (sums.base + i * panels * 32, c.row(i))
      for column in 0..<right.outer {
        var sum = line[column & ~31 + Lanes32.position(column & 31)]
        if hasScaleToCome { sum = sum * left.scale(i, chunk: 0) * right.scale(column, chunk: 0) }
        target[column] = adding ? target[column] + sum : sum
      }
    }
  }
}
