// The memory model in words: a table by rank, and what to do when a GPU is too small.

internal import Glibc
internal import ModelSpec
internal import Schedules
package import Units

extension MemoryModel {
  /// Rows of a table, the header first: pipeline rank, its stages, weights, bytes by category
  /// and in all, and the micro-batches held at the peak.
  package var table: [[String]] {
    let header =
      ["rank", "stages", "weights"] + MemoryBytes().categories.map(\.name) + ["total", "held"]
    return [header]
      + (0..<schedule.ranks).map { rank in
        let bytes = bytes(ofPipelineRank: rank)
        return [
          "\(rank)", schedule.stages(onRank: rank).map(String.init).joined(separator: ","),
          fixed(Double(parameters(ofPipelineRank: rank)) / 1e9, 3) + " B",
        ] + bytes.categories.map { readable($0.bytes.bytes) }
          + [readable(bytes.total.bytes), heldMicrobatches(ofPipelineRank: rank)]
      }
  }

  /// What is wrong and what would help, when a rank needs more than `gpuMemory`; nil when all fit.
  package func overcommitment(of gpuMemory: ByteCount) -> String? {
    let (rank, bytes) = fullest
    guard bytes.total > gpuMemory else { return nil }
    let categories = bytes.categories.filter { $0.bytes > .zero }
      .sorted { $0.bytes > $1.bytes }
      .map { category in
        let detail =
          category.name == "activations"
          ? " (\(heldMicrobatches(ofPipelineRank: rank)))" : ""
        return "\(category.name) \(readable(category.bytes.bytes))\(detail)"
      }
    let short = (0..<schedule.ranks).count {
      self.bytes(ofPipelineRank: $0).total > gpuMemory
    }
    return "pipeline rank \(rank) needs \(readable(bytes.total.bytes)) of "
      + "\(readable(gpuMemory.bytes)): \(categories.joined(separator: ", ")); "
      + "\(short) of \(schedule.ranks) pipeline ranks are too small; \(remedies)"
  }

  /// Each change of plan that the fullest rank would gain by, the largest gain first; then changes
  /// of layout.
  private var remedies: String {
    let total = fullest.bytes.total.bytes
    var gains: [(name: String, bytes: Int)] = []
    func consider(_ name: String, _ change: (inout MemoryPlan) -> Void) {
      var changed = plan
      change(&changed)
      guard changed != plan else { return }
      let gain = total - with(changed).fullest.bytes.total.bytes
      if gain > 0 { gains.append((name, gain)) }
    }
    for saving in MemorySaving.allCases {
      consider(saving.rawValue) { $0.savings.insert(saving) }
    }
    consider("BF16 moments") { $0.moments = .bf16 }
    if plan.precision == .fp32 { consider("precision bf16") { $0.precision = .bf16 } }
    consider("precision fp8") { $0.precision = .fp8 }
    gains.sort { $0.bytes > $1.bytes }
    let savings = gains.map { "\($0.name) saves \(readable($0.bytes))" }
    let rest =
      "fewer tokens in a micro-batch, more pipeline or expert ranks, "
      + "or a schedule that holds fewer micro-batches"
    return (savings + [savings.isEmpty ? rest : "or " + rest]).joined(separator: ", ")
  }

  /// "12 micro-batches of stage 0 and 5 of stage 15".
  private func heldMicrobatches(ofPipelineRank rank: Int) -> String {
    let held = peak(ofPipelineRank: rank).microbatches.sorted { $0.key < $1.key }
    return held.enumerated().map { index, entry in
      let noun = index > 0 ? "" : entry.value == 1 ? "micro-batch " : "micro-batches "
      return "\(entry.value) \(noun)of stage \(entry.key)"
    }.joined(separator: " and ")
  }
}

/// Bytes with a unit: 91.3 GB, 4.2 MB; powers of ten.
private func readable(_ bytes: Int) -> String {
  for (unit, name) in [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")] where Double(bytes) >= unit {
    return fixed(Double(bytes) / unit, 1) + " " + name
  }
  return "\(bytes) B"
}

/// `value` with `digits` decimals.
private func fixed(_ value: Double, _ digits: Int) -> String {
  var bytes = [CChar](repeating: 0, count: 64)
  let count = withVaList([Int32(digits), value]) { vsnprintf(&bytes, bytes.count, "%.*f", $0) }
  return String(
    decoding: bytes.prefix(max(0, Int(count))).map(UInt8.init(bitPattern:)), as: UTF8.self)
}
