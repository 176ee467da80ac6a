// `dsv3 schedule search`: a schedule made for given times and memory, held against the published
// ones and against what no schedule can beat.

import CSystem
import Glibc
import RunConfiguration
import Schedules

let scheduleSearchCommand = Command(
  "dsv3 schedule search",
  usage: "--pp P --microbatches M [OPTION]... [-o FILE]",
  summary: "looks for a schedule that is faster than the published ones",
  help: """
    Looks for the fastest schedule for given times and memory, starting from list scheduling and
    from the published schedules; what it finds is never slower than those that fit. Times are
    those of a rank's share of the model, a P-th; a chunk of half a share takes half. Memory is
    counted in what one micro-batch leaves in a share, from the start of F to the end of B or W.
    The file runs with schedule.file of cluster.yaml.
    """,
  options: ScheduleSource.shapeOptions + ScheduleTimes.options + [
    CommandOption(
      "memory", value: "LIMIT",
      help: "most activations on a rank, in shares; half a share is 0.5 (P + 1)"),
    CommandOption(
      "placement", value: "LIST",
      help: "of plain, bidirectional, v and loop, those allowed (all)"),
    CommandOption("seed", value: "S", help: "the same seed finds the same schedule (1)"),
    CommandOption(
      "effort", value: "N", help: "millions of actions to evaluate, some seconds (200)"),
    CommandOption(
      "seconds", value: "T",
      help: "search about this long instead; the result then depends on the machine"),
    CommandOption("csv", letter: "o", value: "FILE", help: "write the schedule as pipeline CSV"),
    CommandOption("json", help: "as JSON"),
  ],
  run: searchSchedule)

private func searchSchedule(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let (ranks, microbatches) = try ScheduleSource.shape(options)
  let times = try ScheduleTimes(options, stages: ranks)
  let seconds = try options.number("seconds")
  let search: ScheduleSearch
  do {
    search = try ScheduleSearch(
      ranks: ranks, microbatches: microbatches, times: times.chunk,
      memory: try options.number("memory").map { Int(min(2 * $0, 1e9)) },
      placements: try placements(options),
      seed: UInt64(try options.integer("seed", in: 0...Int.max) ?? 1),
      effort: try effort(options, seconds))
  } catch let error as ScheduleError { throw options.usageError(error.message) }

  let watch = SearchWatch(limit: seconds, times: times)
  let result = try search.run(progress: watch.progress)
  watch.end()
  if let file = options.value("csv") {
    try write(ScheduleCSV.text(of: result.schedule), to: file)
  }
  let report = SearchReport(search: search, result: result, times: times)
  if options.has("json") {
    print(report.json, terminator: "")
  } else {
    print(report.text)
    if let file = options.value("csv") { print("\nwritten \(file): \(report.fileNote)") }
  }
}

private func placements(_ options: ParsedOptions) throws -> [SearchPlacement] {
  guard let text = options.value("placement") else { return SearchPlacement.allCases }
  let names = text.split(separator: ",", omittingEmptySubsequences: false)
  let placements = names.compactMap { SearchPlacement(rawValue: String($0)) }
  guard placements.count == names.count else {
    let known = SearchPlacement.allCases.map(\.rawValue).joined(separator: ", ")
    throw options.usageError(
      "option '--placement' wants some of \(known), not '\(printable(text))'")
  }
  // In their own order, so that the order of the list does not matter.
  return SearchPlacement.allCases.filter(placements.contains)
}

/// Actions to evaluate. With --seconds more than a fast core does in that time: the clock ends it.
private func effort(_ options: ParsedOptions, _ seconds: Double?) throws -> Int {
  let given = try options.integer("effort", in: 1...1_000_000).map { $0 * 1_000_000 }
  if let seconds { return given ?? Int(min(1 + seconds * 60e6, 1e12)) }
  return given ?? ScheduleSearch.standardEffort
}

/// Writes a file of text.
func write(_ text: String, to path: String) throws {
  func failure() -> CommandError {
    let reason = String(cString: strerror(errno))
    return CommandError(message: "\(path): cannot be written: \(reason)", code: 74)
  }
  guard let file = fopen(path, "w") else { throw failure() }
  let isWritten = fputs(text, file) >= 0
  guard fclose(file) == 0, isWritten else { throw failure() }
}

/// Ends a search after its time, and shows on a terminal how far it is.
private final class SearchWatch {
  private let limit: Double?
  private let times: ScheduleTimes
  private let start = SearchWatch.now
  private var shown = 0.0
  private let isTerminal = isatty(STDERR_FILENO) == 1

  init(limit: Double?, times: ScheduleTimes) {
    self.limit = limit
    self.times = times
  }

  /// Whether to go on.
  func progress(_ progress: ScheduleSearch.Progress) -> Bool {
    let passed = Self.now - start
    if isTerminal, passed - shown > 0.2 {
      shown = passed
      let makespan = progress.makespan.map { ", makespan \(times.halves($0))" } ?? ""
      fputs("\rsearching: \(Int(100 * progress.share)) %\(makespan)   ", dsv3_stderr())
      fflush(dsv3_stderr())
    }
    return limit.map { passed < $0 } ?? true
  }

  /// Removes what stands on the terminal.
  func end() {
    if shown > 0 { fputs("\r\u{1B}[K", dsv3_stderr()) }
  }

  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

extension ScheduleTimes {
  /// A time in halves of the options' unit.
  func halves(_ halves: Int) -> String {
    DecimalTime(digits: 5 * halves, decimals: scale.decimals + 1).description
  }
}
