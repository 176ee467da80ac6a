// What a list scheduler prefers, as numbers that a search can change.

/// Priorities by stage. A rank's own settings stand at the deepest stage it holds, so that the two
/// directions of a bidirectional placement, which see the same pipe, share theirs.
struct ListRule {
  /// Most cells of the stage that may be forwarded and not yet backwarded on a rank.
  var cap: [Int]
  /// Scores of a forward and of an input backward of the stage.
  var forwardScore: [Int]
  var inputScore: [Int]
  /// Added to a pair's score.
  var pairBonus: [Int]
  /// How long a lone action waits for a partner on its way, in 1/16 of the pair's time.
  var patience: [Int]
  /// A weight half is not started when something better arrives before this share of its time,
  /// in 1/16, is over.
  var weightDelay: [Int]
  /// Score of a weight half, and what a full memory adds to it.
  var weightScore: [Int]
  var pressure: [Int]
  /// Subtracted from forwards and backwards for each micro-batch already through the stage.
  var fairness: Int
  /// Width of the chance added to every score.
  var noise: Int
  /// An order to follow where time and memory allow.
  var guide: Guide?

  static let fields = 8

  /// A rule by chance.
  init(_ shape: SearchShape, _ random: inout SplitMix64) {
    let stages = shape.stages
    let limit = shape.limit
    let tapered = random.chance(128)
    let depth = 1 + random.below(2 * shape.chunksPerShare)
    cap = (0..<stages).map { stage in
      tapered ? max(1, min(limit, (stages - stage) * depth)) : limit
    }
    let forwardBase = random.below(3) * 400
    let forwardSlope = random.below(5) - 2
    let inputSlope = random.below(5) - 2
    forwardScore = (0..<stages).map { forwardBase + 60 * forwardSlope * $0 / stages }
    inputScore = (0..<stages).map { 500 + 60 * inputSlope * $0 / stages }
    pairBonus = Array(repeating: random.chance(230) ? 2000 : 0, count: stages)
    patience = Array(repeating: random.below(4) * random.below(8), count: stages)
    weightDelay = Array(repeating: random.below(17), count: stages)
    weightScore = Array(repeating: random.chance(200) ? -1000 : 450, count: stages)
    pressure = Array(repeating: random.below(3) * 700, count: stages)
    fairness = random.below(3) * 20
    noise = random.chance(64) ? 1 + random.below(100) : 0
  }

  /// A rule that follows an order, by chance.
  init(_ shape: SearchShape, following guide: Guide, _ random: inout SplitMix64) {
    self.init(shape, &random)
    self.guide = guide
    cap = Array(repeating: shape.limit, count: shape.stages)
    forwardScore = Array(repeating: 0, count: shape.stages)
    inputScore = forwardScore
    pairBonus = Array(repeating: 2000, count: shape.stages)
    weightScore = Array(repeating: -1_000_000, count: shape.stages)
    pressure = Array(repeating: random.below(2) * 2_000_000, count: shape.stages)
    fairness = 0
  }

  /// Changes a few numbers.
  mutating func mutate(_ shape: SearchShape, _ random: inout SplitMix64) {
    for _ in 0..<(1 + random.below(3)) {
      let field = random.below(Self.fields + 1)
      if field == Self.fields {
        if random.chance(128) {
          fairness = random.below(6) * 10
        } else {
          noise = random.chance(128) ? 0 : random.below(200)
        }
        continue
      }
      let first = random.below(shape.stages)
      let last = random.chance(160) ? first : random.below(shape.stages)
      let change = random.below(3) - 1
      let value = random.below(5)
      for stage in min(first, last)...max(first, last) {
        set(field, stage, change: change, value: value, limit: shape.limit)
      }
    }
  }

  private mutating func set(_ field: Int, _ stage: Int, change: Int, value: Int, limit: Int) {
    switch field {
    case 0: cap[stage] = max(1, min(limit, cap[stage] + (change == 0 ? 2 - value : change)))
    case 1: forwardScore[stage] += change * (10 + 60 * value)
    case 2: inputScore[stage] += change * (10 + 60 * value)
    case 3: pairBonus[stage] = [0, 100, 500, 2000, 2000][value]
    case 4: patience[stage] = [0, 1, 4, 8, 16][value]
    case 5: weightDelay[stage] = [0, 4, 8, 12, 16][value]
    case 6: weightScore[stage] = [-1000, -1000, 0, 450, 900][value]
    default: pressure[stage] = [0, 0, 500, 1000, 2000][value]
    }
  }
}

/// Where an order has the forward and the backward of each cell in its rank's list.
final class Guide {
  /// By cell; scores, so earlier is larger.
  let forward: [Int]
  let back: [Int]

  init(_ order: FlatOrder, _ shape: SearchShape) {
    var forward = [Int](repeating: 0, count: shape.cells)
    var back = forward
    for rank in 0..<order.ranks {
      for (index, action) in order.list(rank).enumerated() {
        if action.forward >= 0 { forward[Int(action.forward)] = -64 * index }
        if action.back >= 0, !action.isWeight { back[action.backCell] = -64 * index }
      }
    }
    self.forward = forward
    self.back = back
  }
}
