// The optimizer of the weights that some ranks share, on one of them. Each holder owns a shard of
// them: their moments, and under BF16 and FP8 their FP32 master weights.

package import Kernels
package import MessagePassing
package import Model
package import ModelSpec
internal import NumberFormats

/// AdamW's two moments of a shard, in FP32 or BF16.
private enum Moments {
  case fp32(first: Tensor, second: Tensor)
  case bf16(first: StoredMatrix, second: StoredMatrix)

  init(_ count: Int, _ format: MomentFormat) {
    switch format {
    case .fp32:
      self = .fp32(
        first: .zeros(1, count, for: .optimizer), second: .zeros(1, count, for: .optimizer))
    case .bf16:
      func zeros() -> StoredMatrix {
        let moments = StoredMatrix(1, count, .bf16, for: .optimizer)
        moments.codes.update(repeating: 0, count: moments.codeBytes)
        return moments
      }
      self = .bf16(first: zeros(), second: zeros())
    }
  }
}

/// The optimizer shard of one parameter group on one rank.
package final class GroupOptimizer {
  package let group: ParameterGroup
  let communicator: Communicator
  /// Each holder's part of the flat buffers.
  package let shards: [Range<Int>]
  private let moments: Moments
  /// The master weights of the own shard, where the group works with codes.
  private let ownMasters: Tensor?
  /// Runs of the own shard with and without weight decay.
  private let runs: [(range: Range<Int>, decay: Bool)]
  private var digest = WeightDigest()

  package init(
    _ group: ParameterGroup, communicator: Communicator, decayScope: WeightDecayScope,
    moments format: MomentFormat = .fp32
  ) {
    self.group = group
    self.communicator = communicator
    shards = Self.shards(of: group.count, over: communicator.size)
    let own = shards[communicator.rank]
    moments = Moments(own.count, format)
    ownMasters = group.isLow ? Tensor(1, own.count, for: .optimizer) : nil
    runs = group.parameters.compactMap { parameter in
      let range = parameter.offset..<parameter.offset + parameter.shape.count
      let part = range.clamped(to: own)
      return part.isEmpty ? nil : (part, decayScope == .all || parameter.shape.isMatrix)
    }
    adoptValues()
  }

  package var own: Range<Int> { shards[communicator.rank] }

  /// FP32 master weights of the own shard.
  package var masters: UnsafeMutableBufferPointer<Float> {
    ownMasters?.buffer ?? .init(start: group.values.base + own.lowerBound, count: own.count)
  }

  /// Equal parts in multiples of 16 floats (a cache line), the last ones maybe shorter.
  package static func shards(of count: Int, over ranks: Int) -> [Range<Int>] {
    let part = ((count + ranks - 1) / ranks + 15) / 16 * 16
    return (0..<ranks).map { min($0 * part, count)..<min(($0 + 1) * part, count) }
  }

  // MARK: A step

  /// Sums the gradients of all holders into their owners' shards.
  func reduceGradients() throws {
    try communicator.reduceScatterSum(group.gradients.buffer, shards: shards)
  }

  /// Σ g² over the own shard.
  func squaredNorm() -> Double {
    sumOfSquares(group.gradients.base + own.lowerBound, count: own.count)
  }

  /// Moves the master weights of the own shard.
  func update(_ step: AdamWStep) {
    guard let masters = masters.baseAddress else { return }
    for (range, decay) in runs {
      let offset = range.lowerBound - own.lowerBound
      let gradients = group.gradients.base + range.lowerBound
      switch moments {
      case .fp32(let first, let second):
        adamW(
          step, parameters: masters + offset, gradients: gradients,
          firstMoments: first.base + offset, secondMoments: second.base + offset,
          count: range.count, decay: decay)
      case .bf16(let first, let second):
        adamW(
          step, parameters: masters + offset, gradients: gradients,
          bf16FirstMoments: first.codes + 2 * offset, bf16SecondMoments: second.codes + 2 * offset,
          count: range.count, decay: decay)
      }
    }
  }

  /// Gives all holders the new weights: in FP32, or in BF16 and from there in the codes that each
  /// works with. They travel through the memory of the gradients, which nobody needs any more.
  func gatherParameters() throws {
    guard group.isLow else {
      try communicator.allGather(group.values.buffer, shards: shards)
      return
    }
    let memory = UnsafeMutableRawBufferPointer(
      rebasing: UnsafeMutableRawBufferPointer(group.gradients.buffer)[..<(2 * group.count)])
    let codes = memory.bindMemory(to: UInt8.self)
    guard let codes = codes.baseAddress else { return }
    if let masters = masters.baseAddress {
      NumberFormat.bf16.encode(
        masters, count: own.count, into: codes + 2 * own.lowerBound, overflow: .escape)
    }
    try communicator.allGather(bytes: memory, shards: shards, elementBytes: 2)
    group.adopt(bf16: codes)
  }

  /// Folds the weights, as the rank works with them now, into the running digest.
  func noteWeights() {
    guard communicator.size > 1 else { return }
    group.forEachWorkingPiece { bytes, _ in digest.add(bytes) }
  }

  /// The digest of all weights noted since the last time, and of those of now, of each holder.
  /// Collective over the holders.
  func takeHolderDigests() throws -> [UInt64] {
    noteWeights()
    defer { digest = WeightDigest() }
    return try communicator.allGather([digest.value])
  }

  // MARK: Setting and saving

  /// Makes masters and working weights from the group's values, after they were set.
  package func adoptValues() {
    guard let ownMasters else { return }
    ownMasters.base.update(from: group.values.base + own.lowerBound, count: own.count)
    group.adoptValues()
  }

  /// Fills the group's values from all holders' master weights, until `collapse()` of the group.
  /// Collective over the holders.
  func gatherMasters() throws {
    guard let ownMasters else { return }
    let values = group.expand()
    (values.base + own.lowerBound).update(from: ownMasters.base, count: own.count)
    try communicator.allGather(values.buffer, shards: shards)
  }

  /// Copies the two moments of the own shard, each [own], in FP32, which holds BF16 exactly.
  package func copyMoments(
    first: UnsafeMutablePointer<Float>, second: UnsafeMutablePointer<Float>
  ) {
    switch moments {
    case .fp32(let ownFirst, let ownSecond):
      first.update(from: ownFirst.base, count: own.count)
      second.update(from: ownSecond.base, count: own.count)
    case .bf16(let ownFirst, let ownSecond):
      NumberFormat.bf16.decode(ownFirst.codes, count: own.count, into: first)
      NumberFormat.bf16.decode(ownSecond.codes, count: own.count, into: second)
    }
  }

  /// The weights that the own shard has a part of: name, which of the weight's elements, and where
  /// they begin in the shard.
  package var ownParts: [(weight: String, elements: Range<Int>, start: Int)] {
    group.parameters.compactMap { parameter in
      let whole = parameter.offset..<parameter.offset + parameter.shape.count
      let part = whole.clamped(to: own)
      guard !part.isEmpty else { return nil }
      return (
        parameter.name, part.lowerBound - parameter.offset..<part.upperBound - parameter.offset,
        part.lowerBound - own.lowerBound
      )
    }
  }

  /// Replaces the moments of the own shard.
  package func setMoments(first: Tensor, second: Tensor) {
    switch moments {
    case .fp32(let ownFirst, let ownSecond):
      ownFirst.base.update(from: first.base, count: first.count)
      ownSecond.base.update(from: second.base, count: second.count)
    case .bf16(let ownFirst, let ownSecond):
      ownFirst.store(first.matrix)
      ownSecond.store(second.matrix)
    }
  }
}
