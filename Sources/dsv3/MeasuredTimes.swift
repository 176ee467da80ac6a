// The times of a schedule's actions as a run measured them: action-times.json of its directory.

import Glibc
import JSON
import ModelSpec
import RunConfiguration
import Schedules

/// Mean seconds of the actions of a run, by stage; nil where a stage had none of the kind.
struct MeasuredTimes {
  private let path: String
  private let forward: [Double?]
  private let full: [Double?]
  private let input: [Double?]
  private let weight: [Double?]
  private let pair: Double?

  /// Reads a run's directory, or the file itself.
  init(path: String) throws {
    var status = stat()
    let isDirectory = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    let file = isDirectory ? path + "/action-times.json" : path
    let bytes = try readSmallFile(file)
    guard case .object(let members) = try? JSONValue(parsing: bytes) else {
      throw CommandError(message: "\(file): not the times of a run", code: 65)
    }
    func seconds(_ value: JSONValue?) -> Double? {
      switch value {
      case .number(let value) where value >= 0 && value < 1e6: value
      case .integer(let value) where value >= 0 && value < 1_000_000: Double(value)
      default: nil
      }
    }
    func list(_ key: String) throws -> [Double?] {
      guard case .array(let values) = members[key] else {
        throw CommandError(message: "\(file): no list '\(key)' of times by stage", code: 65)
      }
      return values.map { seconds($0) }
    }
    self.path = file
    forward = try list("f")
    full = try list("b")
    input = try list("i")
    weight = try list("w")
    pair = seconds(members["fb"])
    let lists = [full, input, weight]
    guard !forward.isEmpty, lists.allSatisfy({ $0.count == forward.count }) else {
      throw CommandError(message: "\(file): lists of different stages", code: 65)
    }
  }

  /// In whole nanoseconds, shown as microseconds. A stage that ran full backwards only has its
  /// halves taken as equal; a schedule that has full backwards does not see the difference.
  func times(_ options: ParsedOptions, stages: Int) throws -> ScheduleTimes {
    guard stages == forward.count else {
      throw options.usageError(
        "the run '\(printable(path))' has times of \(forward.count) stages; the schedule has "
          + "\(stages)")
    }
    func units(_ seconds: Double) -> Int { Int((seconds * 1e9).rounded()) }
    func perStage(_ times: [Double?], half: Bool) throws -> ChunkTimes.PerStage {
      .each(
        try times.enumerated().map { stage, time in
          if let time { return units(time) }
          if half, let whole = full[stage] { return units(whole / 2) }
          // A stage whose forwards, or backwards, were all in pairs: a pair is one to two.
          if let pair { return units(pair / 3) }
          throw CommandError(message: "\(path): stage \(stage) has no times", code: 65)
        })
    }
    let transfer = try ScheduleTimes.transfer(options)
    guard let scale = TimeScale(for: [DecimalTime(digits: 1, decimals: 3), transfer]),
      scale.decimals == 3
    else { throw options.usageError("option '--p2p' has more digits than a run's times have") }
    let times = ChunkTimes(
      forward: try perStage(forward, half: false), input: try perStage(input, half: true),
      weight: try perStage(weight, half: true), overlapped: pair.map(units),
      transfer: scale.units(transfer))
    guard times.fit(stages: stages) else {
      throw CommandError(message: "\(path): a time is too large", code: 65)
    }
    return ScheduleTimes(chunk: times, scale: scale)
  }
}
