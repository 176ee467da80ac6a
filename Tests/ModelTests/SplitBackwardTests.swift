// The split backward: the input half adds to no gradient, and the weight half later gives the bits
// that a full backward gives at once.

import Kernels
import Model
import ModelSpec
import Testing

@Suite struct SplitBackwardTests {
  private func scales(_ batch: MicroBatch) -> LossScales {
    let scale = 1 / Double(batch.sequences * (batch.length - 1))
    return LossScales(main: scale, mtp: 0.3 * scale, balance: 0.01)
  }

  private func gradients(_ model: Transformer) -> [UInt32] {
    model.store.groups[0].gradients.buffer.map(\.bitPattern)
  }

  @Test(arguments: ["tiny", "tiny-mtp-released"])
  func weightHalvesPerformedLaterGiveTheSameBits(_ name: String) throws {
    let golden = try Golden(name)
    let batch = try golden.batch()

    let whole = try golden.transformer()
    var pass = StagePass(whole.stage, batch, scales: scales(batch))
    try StageForward(pass, input: nil).run()
    let immediate = WeightGradients()
    try StageBackward(pass, gradient: nil, weights: immediate).run { immediate.perform() }

    let split = try golden.transformer()
    pass = StagePass(split.stage, batch, scales: scales(batch))
    try StageForward(pass, input: nil).run()
    let later = WeightGradients()
    try StageBackward(pass, gradient: nil, weights: later).run {}
    for parameter in split.store.groups[0].parameters {
      let isProduct = parameter.shape.isMatrix && parameter.name != ModelParameters.embedding
      let count = isProduct ? parameter.shape.count : 0
      let gradient = UnsafeBufferPointer(start: parameter.gradient.base, count: count)
      #expect(gradient.allSatisfy { $0 == 0 }, "the input half leaves \(parameter.name) alone")
    }
    #expect(!later.isEmpty)
    later.perform()
    #expect(later.isEmpty)
    #expect(gradients(split) == gradients(whole))
    #expect(!gradients(whole).allSatisfy { $0 == 0 })
  }
}
