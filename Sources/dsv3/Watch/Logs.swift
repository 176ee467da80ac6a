// `dsv3 logs`: what the ranks of a run wrote, each line with its rank before it.

import CSystem
import Coordinator
import Glibc
import RunConfiguration
import RunFiles

let logsCommand = Command(
  "dsv3 logs",
  usage: "[RUN] [OPTION]...",
  summary: "prints the logs of a run's ranks, and follows them",
  help: """
    Prints the logs of a run, the newest when RUN is not given: rank by rank, each line after its
    rank. With -f it goes on with what the ranks write, also when the job is started again, until
    the run ends.
    """,
  options: [
    runsOption,
    CommandOption("rank", value: "N", help: "this rank's alone; may be given again (all)"),
    CommandOption("follow", letter: "f", help: "go on until the run ends"),
    CommandOption(
      "lines", letter: "n", value: "N", help: "the last N lines of each rank; 0: new ones (all)"),
    CommandOption("events", help: "with launches, failures and restarts"),
  ],
  run: showLogs)

private func showLogs(_ options: ParsedOptions) throws {
  guard options.operands.count <= 1 else {
    throw options.usageError("unexpected argument '\(printable(options.operands[1]))'")
  }
  let most = try options.integer("lines", in: 0...Int.max)
  let directory = try options.runFolder.find(options.operands.first)
  let ranks = try wantedRanks(options, directory)
  var logs = RunLogs(directory, ranks: ranks, withEvents: options.has("events"))
  let printer = LogPrinter(
    isPlain: ranks?.count == 1 && !options.has("events"), coloured: Terminal.wantsColour)
  let before = logs.news()
  guard !before.isEmpty || options.has("follow") || ranks != nil else {
    throw CommandError(
      message: "\(directory.path) has no logs: none of its ranks has begun", code: 66)
  }
  printer.print(most.map { last($0, of: before) } ?? before)
  guard options.has("follow") else { return }
  var view = RunView(directory, depth: .lastStep)
  while true {
    // What was written until the run ended is read after it was seen to have ended.
    view.update()
    let isOver = !view.state.isActive || !view.isThere
    printer.print(logs.news())
    guard !isOver, ferror(dsv3_stdout()) == 0 else { return }
    usleep(250_000)
  }
}

/// The ranks that were asked for, all of which have a log; nil when none was.
private func wantedRanks(_ options: ParsedOptions, _ run: RunDirectory) throws -> [Int]? {
  guard options.has("rank") else { return nil }
  let known = RunLogs.ranks(of: run)
  return try options.values("rank").map { text in
    guard let rank = Int(text), rank >= 0 else {
      throw options.usageError(
        "option '--rank' wants a whole number ≥ 0, not '\(printable(text))'")
    }
    guard known.contains(rank) else {
      let list = known.isEmpty ? "none has" : list(known) + (known.count == 1 ? " has" : " have")
      throw CommandError(
        message: "\(run.path): rank \(rank) has no log; \(list) one", code: 66)
    }
    return rank
  }
}

/// 0–3, 5.
private func list(_ numbers: [Int]) -> String {
  var runs: [ClosedRange<Int>] = []
  for number in numbers {
    if let last = runs.last, last.upperBound + 1 == number {
      runs[runs.count - 1] = last.lowerBound...number
    } else {
      runs.append(number...number)
    }
  }
  return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)–\($0.upperBound)" }
    .joined(separator: ", ")
}

/// The last lines of each source.
private func last(_ count: Int, of lines: [RunLogs.Line]) -> [RunLogs.Line] {
  var left: [String: Int] = [:]
  let kept = lines.reversed().filter { line in
    left[line.source.label, default: count] -= 1
    return left[line.source.label, default: 0] >= 0
  }
  return kept.reversed()
}

private struct LogPrinter {
  /// Without who said it.
  let isPlain: Bool
  let coloured: Bool

  /// Colours that tell neighbouring ranks apart, as escape parameters.
  private static let colours = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"]

  func print(_ lines: [RunLogs.Line]) {
    for line in lines { Swift.print(isPlain ? line.text : prefix(line.source) + line.text) }
    fflush(dsv3_stdout())
  }

  private func prefix(_ source: RunLogs.Source) -> String {
    let text = source.label.padded(to: 7) + " | "
    guard coloured else { return text }
    let colour =
      switch source {
      case .rank(let rank): Self.colours[rank % Self.colours.count]
      case .output: "1"
      case .events: "1;31"
      }
    return "\u{1B}[\(colour)m\(text)\u{1B}[0m"
  }
}
