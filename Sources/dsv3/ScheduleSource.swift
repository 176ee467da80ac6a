// Which schedule a command is about: one made by name for given ranks and micro-batches, or a file.

import Glibc
import ModelSpec
import RunConfiguration
import Schedules

enum ScheduleSource {
  static let options = [
    CommandOption("pp", value: "P", help: "pipeline ranks"),
    CommandOption("microbatches", value: "M", help: "micro-batches of a step"),
    CommandOption(
      "chunks", value: "V", help: "chunks of a rank, for the interleaved schedules (2)"),
  ]

  /// The plan of NAME|FILE. A name needs --pp and --microbatches; a file has its own numbers, and
  /// those of the options must be the same.
  static func plan(_ operand: String, _ options: ParsedOptions) throws -> SchedulePlan {
    let ranks = try options.integer("pp", in: 1...Schedule.largestCellCount)
    let microbatches = try options.integer("microbatches", in: 1...Schedule.largestCellCount)
    if namesFile(operand) {
      return try read(operand, .init(ranks: ranks, microbatches: microbatches)).plan
    }
    // Before anything else, whether there is such a schedule at all.
    try asUsage(options) { try _ = ScheduleCatalog.microbatchRule(name: operand, ranks: 1) }
    guard let ranks else { throw options.usageError("--pp is missing: the pipeline's ranks") }
    guard let microbatches else {
      throw options.usageError("--microbatches is missing: the micro-batches of a step")
    }
    let chunks = try options.integer("chunks", in: 1...Schedule.largestCellCount)
    return try asUsage(options) {
      try SchedulePlan(
        lowering: ScheduleCatalog.make(
          name: operand, ranks: ranks, microbatches: microbatches,
          chunks: chunks ?? ScheduleCatalog.standardChunks))
    }
  }

  /// A schedule file.
  static func read(_ path: String, _ expecting: ScheduleCSV.Expectation) throws -> ScheduleCSV.File
  {
    let bytes = try readSmallFile(path)
    do {
      return try ScheduleCSV.readFile(bytes, name: path, expecting: expecting)
    } catch {
      throw CommandError(message: "\(path): \(error.description)", code: 65)
    }
  }

  /// Whether an operand that is no schedule's name is meant as a file.
  static func namesFile(_ operand: String) -> Bool {
    guard !ScheduleCatalog.names.contains(operand) else { return false }
    return operand.contains("/") || operand.hasSuffix(".csv") || access(operand, F_OK) == 0
  }

  /// What a generator refuses is a mistake in the command line.
  private static func asUsage<Value>(
    _ options: ParsedOptions, _ body: () throws -> Value
  ) throws -> Value {
    do {
      return try body()
    } catch let error as ScheduleError {
      throw options.usageError(error.message)
    }
  }
}
