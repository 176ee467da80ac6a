// Matrices kept in codes: what comes back is as near as the format allows.

import Kernels
import NumberFormats
import Testing

@Suite struct StoredMatrixTests {
  static let codes: [(StorageCode, Double)] = [
    (.bf16, 0.002), (.e5m6, 0.005), (.e4m3(.row, .float), 0.03), (.e4m3(.row, .powerOfTwo), 0.03),
    (.e4m3(.column, .float), 0.03), (.e4m3(.block, .float), 0.03), (.e4m3(.tensor, .float), 0.03),
  ]

  @Test(arguments: codes)
  func comesBackWithinTheFormatsRounding(_ code: StorageCode, _ bound: Double) {
    var state: UInt64 = 7
    let x = Tensor(150, 203)
    for i in 0..<x.count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      x.base[i] = Float(Int64(bitPattern: state) >> 33) * 0x1p-40
    }
    let stored = StoredMatrix(x.matrix, code)
    let loaded = stored.load()
    var (error, norm) = (0.0, 0.0)
    for i in 0..<x.count {
      error += Double((loaded.base[i] - x.base[i]) * (loaded.base[i] - x.base[i]))
      norm += Double(x.base[i] * x.base[i])
    }
    #expect((error / norm).squareRoot() < bound)
    #expect((error / norm).squareRoot() > bound / 4)
    if case .e4m3(.column, _) = code { return }
    if case .e4m3(.block, _) = code { return }
    if case .e4m3(.tensor, _) = code { return }
    let rows = Tensor(3, 203)
    stored.gatherRows([149, 0, 77], into: rows.matrix)
    for (i, row) in [149, 0, 77].enumerated() {
      for column in 0..<203 {
        #expect(rows.matrix.row(i)[column] == loaded.matrix.row(row)[column])
      }
    }
  }
}
