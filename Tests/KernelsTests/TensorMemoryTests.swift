// The recycling of tensor storage. Blocks of 64 MiB and more, which no other test of this process
// asks for, so that what comes back is what this test let go; nothing is written to them.

import Kernels
import Testing

@Suite(.serialized) struct TensorMemoryTests {
  private static let mebibyte = 1 << 18  // floats

  /// Address of a tensor that ends here.
  private func briefly(_ rows: Int, _ columns: Int) -> UInt {
    UInt(bitPattern: Tensor(rows, columns).base)
  }

  @Test func aTensorTakesTheBlockThatAnEqualOneLeft() {
    let address = briefly(64, Self.mebibyte)
    for _ in 0..<3 { #expect(briefly(64, Self.mebibyte) == address) }
    let first = Tensor(64, Self.mebibyte)
    #expect(UInt(bitPattern: first.base) == address)
    #expect(briefly(64, Self.mebibyte) != address, "a block in use is not handed out")
  }

  /// Classes are 4, 5, 6, 7 times a power of two: (64, 80] MiB is one, 96 the end of the next.
  @Test func sizesOfOneClassShareBlocksAndOthersDoNot() {
    let eighty = briefly(80, Self.mebibyte)
    #expect(briefly(72, Self.mebibyte) == eighty)
    #expect(briefly(1, 64 * Self.mebibyte + 1) == eighty)
    #expect(briefly(96, Self.mebibyte) != eighty)
    #expect(briefly(1, 80 * Self.mebibyte + 1) != eighty)
  }

  /// Other tests hold less than a MiB at a time, hence the slack of 16.
  @Test func liveAndPeakCountTheTensorsAlive() {
    let slack = 16 << 20
    let bytes = 112 << 20
    TensorMemory.resetPeak()
    let before = TensorMemory.usage
    let during: TensorMemory.Usage = {
      let tensor = Tensor(112, Self.mebibyte)
      return withExtendedLifetime(tensor) { TensorMemory.usage }
    }()
    let after = TensorMemory.usage
    #expect(abs(during.live - before.live - bytes) < slack)
    #expect(abs(after.live - before.live) < slack)
    #expect(abs(after.peak - before.live - bytes) < slack)
    TensorMemory.resetPeak()
    #expect(TensorMemory.usage.peak < after.peak)
  }

  @Test func tensorsAreAlignedAndMayBeEmpty() {
    for (rows, columns) in [(0, 0), (0, 5), (5, 0), (1, 1), (3, 7), (100, 33)] {
      let tensor = Tensor.zeros(rows, columns)
      #expect(UInt(bitPattern: tensor.base) % 64 == 0)
      #expect(tensor.array == Array(repeating: 0, count: rows * columns))
      #expect(tensor.copy().array == tensor.array)
    }
  }

  @Test func viewsSeeTheirPartOfTheTensor() {
    let tensor = Tensor(3, 4, (0..<12).map(Float.init))
    let part = tensor.matrix.rows(1..<3).columns(1..<3)
    #expect(part.rows == 2 && part.columns == 2 && part.stride == 4)
    #expect([part.row(0)[0], part.row(0)[1], part.row(1)[0], part.row(1)[1]] == [5, 6, 9, 10])
  }
}
