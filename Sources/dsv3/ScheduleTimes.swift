// The durations that `schedule analyze` and `schedule show` take: --f, --i, --w, --fb, --p2p.

import RunConfiguration
import Schedules

/// Durations in whole units of a common scale.
struct ScheduleTimes {
  static let options = [
    CommandOption("f", value: "T", help: "forward, or a time for each stage: 1,2,2,1 (1)"),
    CommandOption("i", value: "T", help: "input half of a backward (1)"),
    CommandOption("w", value: "T", help: "weight half of a backward (1); a backward takes I + W"),
    CommandOption("fb", value: "T", help: "overlapped pair (F + I + W)"),
    CommandOption("p2p", value: "T", help: "from rank to rank (0)"),
  ]

  /// For commands that time a schedule of known stages.
  static let measuredOption = CommandOption(
    "times", value: "RUN", help: "the times measured in a run: its directory (microseconds)")

  let chunk: ChunkTimes
  let scale: TimeScale

  /// The times that the options say, or those measured in a run.
  init(_ options: ParsedOptions, stages: Int) throws {
    if let path = options.value("times") {
      guard !["f", "i", "w", "fb"].contains(where: options.has) else {
        throw options.usageError("--times stands in place of --f, --i, --w and --fb")
      }
      self = try MeasuredTimes(path: path).times(options, stages: stages)
      return
    }
    func times(_ name: String, _ standard: Int?, byStage: Bool = true) throws -> [DecimalTime]? {
      guard let text = options.value(name) else {
        return standard.map { [DecimalTime(digits: $0, decimals: 0)] }
      }
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      let times = parts.compactMap { DecimalTime(String($0)) }
      guard times.count == parts.count, byStage || times.count == 1 else {
        let form = byStage ? "a time such as 2 or 0.5, or one for each stage" : "a time"
        throw options.usageError("option '--\(name)' wants \(form), not '\(printable(text))'")
      }
      guard times.count == 1 || times.count == stages else {
        throw options.usageError(
          "option '--\(name)' has \(times.count) times; the schedule has \(stages) stages")
      }
      return times
    }
    let byStage = [try times("f", 1), try times("i", 1), try times("w", 1)]
    let pair = try times("fb", nil, byStage: false)
    let transfer = try Self.transfer(options)
    let all = (byStage + [pair]).compactMap { $0 }.joined() + [transfer]
    guard let scale = TimeScale(for: Array(all)) else {
      throw options.usageError("a time is above \(ChunkTimes.range.upperBound)")
    }
    func perStage(_ index: Int) -> ChunkTimes.PerStage {
      let units = (byStage[index] ?? []).map(scale.units)
      return units.count == 1 ? .uniform(units[0]) : .each(units)
    }
    self.scale = scale
    chunk = ChunkTimes(
      forward: perStage(0), input: perStage(1), weight: perStage(2),
      overlapped: pair.map { scale.units($0[0]) },
      transfer: scale.units(transfer))
  }

  /// The time from rank to rank, 0 if not given.
  static func transfer(_ options: ParsedOptions) throws -> DecimalTime {
    guard let text = options.value("p2p") else { return DecimalTime(digits: 0, decimals: 0) }
    guard let time = DecimalTime(text) else {
      throw options.usageError("option '--p2p' wants a time, not '\(printable(text))'")
    }
    return time
  }

  init(chunk: ChunkTimes, scale: TimeScale) {
    self.chunk = chunk
    self.scale = scale
  }

  /// A time of the analysis as the options have it.
  func text(_ time: Int) -> String { scale.text(time) }

  /// "F 1, I 1, W 1, pair F + I + W, transfer 0"
  var description: String {
    func stages(_ times: ChunkTimes.PerStage) -> String {
      switch times {
      case .uniform(let time): text(time)
      case .each(let times): times.map(text).joined(separator: ",")
      }
    }
    return "F \(stages(chunk.forward)), I \(stages(chunk.input)), W \(stages(chunk.weight)), pair "
      + (chunk.overlapped.map(text) ?? "F + I + W") + ", transfer \(text(chunk.transfer))"
  }
}
