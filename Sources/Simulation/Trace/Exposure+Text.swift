// An exposed wait in a sentence, and as JSON.

package import JSON
internal import Units
internal import Workload

extension Exposure {
  /// "combine F of layer 3, micro-batch 7, holds attention F of layer 4 on rank 14 for 1.2 ms
  /// (900 µs of it at the barrier: rank 9 came last)".
  package var sentence: String {
    var text = operation.shortName + operation.ofPlace
    text += text.contains(" of ") ? ", holds " : " holds "
    text += waiting.shortName
    if waiting.microbatch != operation.microbatch {
      text += waiting.ofPlace
    } else if waiting.layer != operation.layer, waiting.layer >= 0 {
      text += " of layer \(waiting.layer)"
    }
    text += " on rank \(worldRank) for \(VirtualDuration(picoseconds: picoseconds).brief)"
    guard barrier > 0 else { return text }
    let share = VirtualDuration(picoseconds: barrier).brief
    return text + " (\(share) of it at the barrier: rank \(lastRank) came last)"
  }

  /// The same with keys: `rank`, `seconds`, `barrier_seconds`, `last_rank`, `start_seconds`, and
  /// for `exchange` and `waiting` each `kind`, `pass`, `layer`, `microbatch`, `stage`.
  package var json: JSONValue {
    func seconds(_ picoseconds: Int64) -> JSONValue {
      .number(VirtualDuration(picoseconds: picoseconds).seconds)
    }
    func object(_ operation: Operation) -> JSONValue {
      .object([
        "kind": .string(operation.kind.name), "pass": .string(operation.pass.letter),
        "layer": .integer(Int(operation.layer)), "stage": .integer(Int(operation.stage)),
        "microbatch": .integer(Int(operation.microbatch)),
      ])
    }
    return .object([
      "rank": .integer(Int(worldRank)), "seconds": seconds(picoseconds),
      "barrier_seconds": seconds(barrier), "last_rank": .integer(Int(lastRank)),
      "start_seconds": seconds(start), "exchange": object(operation), "waiting": object(waiting),
      "sentence": .string(sentence),
    ])
  }
}

extension Operation {
  /// " of layer 3, micro-batch 7", as far as it has them.
  fileprivate var ofPlace: String {
    var places: [String] = []
    if layer >= 0 { places.append("layer \(layer)") }
    if microbatch >= 0 { places.append("micro-batch \(microbatch)") }
    return places.isEmpty ? "" : " of " + places.joined(separator: ", ")
  }
}
