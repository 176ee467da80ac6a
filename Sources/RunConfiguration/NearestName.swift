// "Did you mean …?": the known name nearest to a mistyped one, by edit distance with
// neighbouring letters swapped counting as one edit (optimal string alignment).

/// The candidate that `name` was most likely meant to be, or nil when none is near. Upper case
/// and `-` for `_` count as nothing. The first of equally near candidates wins.
package func nearestName(to name: String, among candidates: [String]) -> String? {
  let typed = folded(name)
  guard !typed.isEmpty, typed.count <= 64 else { return nil }
  var best: (name: String, distance: Int)?
  for candidate in candidates {
    let known = folded(candidate)
    let distance = editDistance(typed, known)
    let allowed = max(1, min(typed.count, known.count) / 3)
    guard distance <= allowed, distance < best?.distance ?? .max else { continue }
    best = (candidate, distance)
  }
  if let best { return best.name }
  guard typed.count >= 3 else { return nil }
  return candidates.first { candidate in
    let known = folded(candidate)
    return known.count >= 3 && (known.starts(with: typed) || typed.starts(with: known))
  }
}

private func folded(_ name: String) -> [UInt8] {
  name.lowercased().utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var beforePrevious = [Int](repeating: 0, count: b.count + 1)
  var previous = Array(0...b.count)
  for i in a.indices {
    var current = [i + 1] + [Int](repeating: 0, count: b.count)
    for j in b.indices {
      let substitution = previous[j] + (a[i] == b[j] ? 0 : 1)
      current[j + 1] = min(substitution, previous[j + 1] + 1, current[j] + 1)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        current[j + 1] = min(current[j + 1], beforePrevious[j - 1] + 1)
      }
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.count]
}
