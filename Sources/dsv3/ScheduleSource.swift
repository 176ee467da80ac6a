// Which schedule a command is about: one made by name for given ranks and micro-batches, or a file.

import Glibc
import ModelSpec
import RunConfiguration
import Schedules

enum ScheduleSource {
  static let shapeOptions = [
    CommandOption("pp", value: "P", help: "pipeline ranks"),
    CommandOption("microbatches", value: "M", help: "micro-batches of a step"),
  ]

  /// For commands that take NAME|FILE.
  static let options =
    shapeOptions + [
      CommandOption(
        "chunks", value: "V", help: "chunks of a rank, for the interleaved schedules (2)")
    ]

  private static let sizes = 1...Schedule.largestCellCount

  /// The ranks and micro-batches of the options, as far as they are given.
  static func expectation(_ options: ParsedOptions) throws -> ScheduleCSV.Expectation {
    .init(
      ranks: try options.integer("pp", in: sizes),
      microbatches: try options.integer("microbatches", in: sizes))
  }

  /// The ranks and micro-batches, which must both be given.
  static func shape(_ options: ParsedOptions) throws -> (ranks: Int, microbatches: Int) {
    let given = try expectation(options)
    guard let ranks = given.ranks else {
      throw options.usageError("--pp is missing: the pipeline's ranks")
    }
    guard let microbatches = given.microbatches else {
      throw options.usageError("--microbatches is missing: the micro-batches of a step")
    }
    return (ranks, microbatches)
  }

  /// The plan of NAME|FILE. A name needs --pp and --microbatches; a file has its own numbers, and
  /// those of the options must be the same.
  static func plan(_ operand: String, _ options: ParsedOptions) throws -> SchedulePlan {
    if namesFile(operand) { return try read(operand, options).plan }
    // Before anything else, whether there is such a schedule at all.
    try asUsage(options) { try _ = ScheduleCatalog.microbatchRule(name: operand, ranks: 1) }
    let (ranks, microbatches) = try shape(options)
    let chunks = try options.integer("chunks", in: sizes)
    return try asUsage(options) {
      try SchedulePlan(
        lowering: ScheduleCatalog.make(
          name: operand, ranks: ranks, microbatches: microbatches,
          chunks: chunks ?? ScheduleCatalog.standardChunks))
    }
  }

  /// A schedule file, which must have the ranks and micro-batches of the options.
  static func read(_ path: String, _ options: ParsedOptions) throws -> ScheduleCSV.File {
    let expecting = try expectation(options)
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
