// Small changes of one rank's list, made where they can matter: on a chain of actions without
// slack. Each leaves every F, I and W once; whether the order can run is for the caller to check.

enum OrderMove {
  /// Changes `list` near `index`, an action on the critical path. False when nothing came of it.
  static func apply(
    to list: inout [FlatAction], near index: Int, pairsPay: Bool, _ random: inout SplitMix64
  ) -> Bool {
    switch random.below(pairsPay ? 12 : 8) {
    case 0..<4: return swap(&list, index)
    case 4: return shift(&list, from: index, by: -1 - random.below(8))
    case 5: return shift(&list, from: index - 1, by: 1 + random.below(8))
    case 6, 7: return postponeWeight(&list, index, &random)
    case 8, 9: return pair(&list, index, &random)
    case 10: return split(&list, index, &random)
    default: return rejoin(&list, index, &random)
    }
  }

  private static func swap(_ list: inout [FlatAction], _ index: Int) -> Bool {
    guard index > 0 else { return false }
    list.swapAt(index - 1, index)
    return true
  }

  private static func shift(_ list: inout [FlatAction], from index: Int, by step: Int) -> Bool {
    let target = min(max(index + step, 0), list.count - 1)
    guard index >= 0, target != index else { return false }
    list.insert(list.remove(at: index), at: target)
    return true
  }

  /// The nearest weight half at or before `index` goes to a place behind it.
  private static func postponeWeight(
    _ list: inout [FlatAction], _ index: Int, _ random: inout SplitMix64
  ) -> Bool {
    var place = index
    while place >= 0, !list[place].isWeight { place -= 1 }
    guard place >= 0, place + 1 < list.count else { return false }
    let reach = random.chance(128) ? min(12, list.count - 1 - place) : list.count - 1 - place
    return shift(&list, from: place, by: 1 + random.below(reach))
  }

  /// A lone forward and a lone input backward near `index` become a pair at the place of one.
  private static func pair(
    _ list: inout [FlatAction], _ index: Int, _ random: inout SplitMix64
  ) -> Bool {
    let isForward = list[index].isLoneForward
    guard isForward || list[index].isInput else { return false }
    let near = max(0, index - 8)..<min(list.count, index + 9)
    let partners = near.filter {
      isForward ? list[$0].isInput : list[$0].isLoneForward
    }
    guard !partners.isEmpty else { return false }
    let partner = partners[random.below(partners.count)]
    let ahead = Int(list[isForward ? index : partner].forward)
    let back = list[isForward ? partner : index].backCell
    guard ahead != back else { return false }
    list[random.chance(128) ? index : partner] = .pair(forward: ahead, back: back)
    list.removeAll {
      !$0.isPair && ($0.forward == Int32(ahead) || ($0.back >= 0 && $0.backCell == back))
    }
    return true
  }

  /// The pair at `index` becomes its parts.
  private static func split(
    _ list: inout [FlatAction], _ index: Int, _ random: inout SplitMix64
  ) -> Bool {
    guard list[index].isPair else { return false }
    let ahead = FlatAction.forward(Int(list[index].forward))
    let back = list[index].backCell
    let halves: [FlatAction] = [.back(back, .input), .back(back, .weight)]
    let parts = [[ahead] + halves, halves + [ahead], [halves[0], ahead, halves[1]]]
    list.replaceSubrange(index...index, with: parts[random.below(3)])
    return true
  }

  /// The pair at `index` and another near it exchange their forwards.
  private static func rejoin(
    _ list: inout [FlatAction], _ index: Int, _ random: inout SplitMix64
  ) -> Bool {
    guard list[index].forward >= 0 else { return false }
    let other = index + (random.chance(128) ? 1 : -1) * (1 + random.below(4))
    guard list.indices.contains(other), list[other].forward >= 0 else { return false }
    let forward = list[index].forward
    list[index].forward = list[other].forward
    list[other].forward = forward
    return true
  }
}
