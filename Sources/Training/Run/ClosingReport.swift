// The report at the end of a run, in the manner of LAMMPS: loop time, tokens a second, and where
// the ranks spent their time, least, mean and most over ranks.

internal import CSystem
internal import Glibc
package import MessagePassing

package struct ClosingReport {
  private let lines: [String]

  /// Gathers the clocks of all ranks. Collective; every rank gets the same text.
  /// - Parameters:
  ///   - seconds: of the loop, by the wall's clock.
  ///   - activities: this rank's seconds of each activity in the loop.
  ///   - memory: of the fullest rank in the fullest step.
  ///   - checkpoints: those that were begun in the loop.
  ///   - peaks: by pipeline rank, the most activations held.
  package init(
    _ world: Communicator, seconds: Double, activities: [Double], steps: Int, tokens: Int,
    memory counted: CountedMemory, peaks: [ActivationPeaks], checkpoints: CheckpointWriter,
    heldOut: HeldOutLosses
  ) throws {
    var rows: [(String, Spread)] = []
    for (activity, seconds) in zip(Activity.allCases, activities) {
      rows.append((activity.name, try world.spread(seconds)))
    }
    let memory = try world.spread(Double(Self.peakResidentBytes()))
    let loop = try world.spread(seconds).maximum
    let heldUp = try world.spread(Double(checkpoints.nanosecondsHeldUp) / 1e9).maximum
    let rate = loop > 0 ? Double(tokens) / loop : 0
    var lines = [
      "",
      "Loop time of \(TextFormat.fixed(loop, 3)) s on \(world.size) "
        + "\(world.size == 1 ? "rank" : "ranks") for \(steps) steps with \(tokens) tokens",
      "Performance: \(TextFormat.fixed(rate, 1)) tokens/s, "
        + "\(TextFormat.fixed(loop > 0 ? Double(steps) / loop : 0, 2)) steps/s",
      "",
      "Section          |  min time |  avg time |  max time | % of loop",
      String(repeating: "-", count: 63),
    ]
    for (name, spread) in rows {
      let share = loop > 0 ? 100 * spread.mean / loop : 0
      lines.append(
        TextFormat.left(name, 17)
          + [spread.minimum, spread.mean, spread.maximum].map {
            "| " + TextFormat.fixed($0, 4, width: 9) + " "
          }.joined() + "| " + TextFormat.fixed(share, 1, width: 6))
    }
    if checkpoints.count > 0 {
      let share = loop > 0 ? 100 * heldUp / loop : 0
      lines += [
        "",
        "Checkpoints: \(checkpoints.count), which held the steps up for "
          + "\(TextFormat.fixed(heldUp, 4)) s (\(TextFormat.fixed(share, 2))% of the loop)",
      ]
    }
    lines += [
      "",
      "Peak resident memory of a rank: min \(TextFormat.bytes(Int(memory.minimum))), "
        + "avg \(TextFormat.bytes(Int(memory.mean))), max \(TextFormat.bytes(Int(memory.maximum)))",
    ]
    if counted.total > 0 { lines += Self.lines(counted) }
    if peaks.contains(where: { $0.toInput > 0 }) { lines += Self.lines(peaks) }
    self.lines = lines + heldOut.lines
  }

  /// Tensors of the fullest rank by category.
  private static func lines(_ memory: CountedMemory) -> [String] {
    let parts = memory.categories.map { "\($0.name) \(TextFormat.bytes($0.bytes))" }
    var lines = [
      "Peak tensor memory of the fullest rank: \(TextFormat.bytes(memory.total)) = "
        + parts.joined(separator: " + ")
    ]
    if memory.emulation > 0 {
      lines.append(
        "  and up to \(TextFormat.bytes(memory.emulation)) of copies of operands, which a GPU "
          + "would not have")
    }
    return lines
  }

  /// Chunk activations by pipeline rank, and those of split backwards where they make more.
  private static func lines(_ peaks: [ActivationPeaks]) -> [String] {
    func list(_ values: [Int]) -> String { values.map(String.init).joined(separator: " ") }
    let (toInput, toWeight) = (peaks.map(\.toInput), peaks.map(\.toWeight))
    var lines = [
      "Peak activations (micro-batches × stages) by pipeline rank: " + list(toInput)
    ]
    if toWeight != toInput {
      lines.append("  counted until the weight gradients are done: " + list(toWeight))
    }
    return lines
  }

  package var text: String { lines.joined(separator: "\n") + "\n" }

  /// What the kernel counted for this process (VmHWM).
  package static func peakResidentBytes() -> Int {
    var usage = rusage()
    getrusage(dsv3_rusage_self(), &usage)
    return usage.ru_maxrss * 1024
  }
}
