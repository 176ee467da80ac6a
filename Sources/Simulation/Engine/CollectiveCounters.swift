// Who has come to which collective. A group's collectives are entered in the same order by all its
// ranks, so one counter for each group serves all of them.

internal import ModelSpec
internal import Workload

struct CollectiveCounters {
  private struct Key: Hashable {
    var pipelineRanks: [Int]
    var place: Int
  }

  /// By program × groups + group: the identity of the group's counter at place 0, and whether the
  /// place in the expert group chooses among several.
  private var bases: [[(id: Int, byPlace: Bool)]] = []
  private var sizes: [Int] = []
  private var waiting: [[Int]] = []
  private let expert: Int

  init(_ programs: [CompiledProgram], _ places: RankPlaces, expert: Int) {
    // A folded rank stands for all places.
    let placeCount = places.isFolded ? 1 : expert
    self.expert = placeCount
    var known: [ParameterGroup: Int] = [:]
    sizes = [places.count]
    for program in programs {
      bases.append(
        program.groups.map { group in
          // Sizes of experts may differ by pipeline rank, groups not: elements are no part of it.
          var key = group
          key.elements = 0
          let byPlace = group.sameExpertPlace
          if let id = known[key] { return (id, byPlace) }
          let id = sizes.count
          known[key] = id
          let holders = group.pipelineRanks.count * places.dataRanks
          let count = byPlace ? placeCount : 1
          sizes += Array(repeating: holders / count, count: count)
          return (id, byPlace)
        })
    }
    waiting = Array(repeating: [], count: sizes.count)
  }

  /// The counter that a rank's collective is counted in.
  func id(program: Int, _ operation: Operation, dataRank: Int) -> Int {
    if operation.kind == .allReduce { return 0 }
    let (id, byPlace) = bases[program][Int(operation.tokens)]
    return byPlace ? id + dataRank % expert : id
  }

  /// Counts a rank in; all members when it is the last.
  mutating func arrive(_ rank: Int, at id: Int) -> [Int]? {
    waiting[id].append(rank)
    guard waiting[id].count == sizes[id] else { return nil }
    defer { waiting[id].removeAll(keepingCapacity: true) }
    return waiting[id]
  }
}
