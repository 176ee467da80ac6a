// What `dsv3 schedule search` found, as a table and as JSON.

import RunConfiguration
import Schedules

struct SearchReport {
  let search: ScheduleSearch
  let result: ScheduleSearch.Result
  let times: ScheduleTimes

  /// How far `makespan` is above the bound, as a share of the bound.
  private func gap(_ makespan: Int) -> Double {
    result.bound > 0 ? Double(makespan - result.bound) / Double(result.bound) : 0
  }

  private func shares(_ halves: Int) -> String {
    DecimalTime(digits: 5 * halves, decimals: 1).description
  }

  // MARK: text

  var text: String {
    let title =
      "\(search.ranks) ranks, \(search.microbatches) micro-batches, at most "
      + "\(shares(search.memory)) activations on a rank\ntimes of a rank's share of the model: "
      + times.description
    let head = ["", "makespan", "above bound", "activations", "placement"]
    var rows = [
      head,
      ["lower bound", times.halves(result.bound)],
      row("found", result.makespan, result.peak, result.placement),
    ]
    for published in result.published {
      var row = row(
        published.name, published.makespan, published.peak, published.placement)
      if !published.isEligible {
        // The bound is that of the memory and the placements asked for.
        row[2] = ""
        row.append(reason(published))
      }
      rows.append(row)
    }
    return [title, table(rows, right: [1, 2, 3]), verdict].joined(separator: "\n\n")
  }

  private func row(
    _ name: String, _ makespan: Int, _ peak: Int, _ placement: SearchPlacement
  ) -> [String] {
    [
      name, times.halves(makespan), fixed(100 * gap(makespan), 1) + " %", shares(peak),
      placement.rawValue,
    ]
  }

  private func reason(_ published: ScheduleSearch.Published) -> String {
    published.peak > search.memory ? "(too much memory)" : "(placement not asked for)"
  }

  private var verdict: String {
    let found = times.halves(result.makespan)
    guard let best = result.bestPublished else {
      return "found \(found); no published schedule fits"
    }
    let published = "the best published schedule that fits, \(best.name)"
    if result.schedule.name == best.name { return "nothing faster than \(published)" }
    let gain = 100 * (1 - Double(result.makespan) / Double(max(1, best.makespan)))
    return "found \(found), \(fixed(gain, 1)) % less than \(published)"
  }

  /// What the file is, and the options with which `schedule analyze` gives the same makespan.
  var fileNote: String {
    let stages = result.schedule.stages
    let times = chunkTimes.filter { $0.name != "p2p" || result.chunkTimes.transfer > 0 }
    let options = times.map { "--\($0.name) \($0.text)" }.joined(separator: " ")
    return "\(search.ranks) ranks, \(stages) stages, \(options) for its chunks"
  }

  // MARK: JSON

  /// Times of the found schedule's chunks, by option.
  private var chunkTimes: [(name: String, text: String)] {
    let chunk = result.chunkTimes
    func perStage(_ times: ChunkTimes.PerStage) -> String {
      switch times {
      case .uniform(let time): self.times.halves(time)
      case .each(let times): times.map { self.times.halves($0) }.joined(separator: ",")
      }
    }
    var list = [
      ("f", perStage(chunk.forward)), ("i", perStage(chunk.input)),
      ("w", perStage(chunk.weight)),
    ]
    if let pair = chunk.overlapped { list.append(("fb", times.halves(pair))) }
    return list + [("p2p", times.halves(chunk.transfer))]
  }

  var json: String {
    let chunk = chunkTimes.map { name, text in
      "\"\(name)\": " + (text.contains(",") ? "[\(text)]" : text)
    }
    let published = result.published.map { published in
      "{\"name\": \"\(published.name)\", \"placement\": \"\(published.placement.rawValue)\", "
        + "\"makespan\": \(times.halves(published.makespan)), "
        + "\"peak_act_w\": \(shares(published.peak)), \"eligible\": \(published.isEligible)}"
    }
    let members = [
      ("schedule", "\"\(result.schedule.name)\""), ("pp", "\(search.ranks)"),
      ("stages", "\(result.schedule.stages)"), ("microbatches", "\(search.microbatches)"),
      ("placement", "\"\(result.placement.rawValue)\""), ("memory", shares(search.memory)),
      ("makespan", times.halves(result.makespan)),
      ("lower_bound", times.halves(result.bound)), ("gap", "\(gap(result.makespan))"),
      ("peak_act_w", shares(result.peak)),
      ("best_published", result.bestPublished.map { "\"\($0.name)\"" } ?? "null"),
      (
        "best_published_makespan",
        result.bestPublished.map { times.halves($0.makespan) } ?? "null"
      ),
      ("published", "[" + published.joined(separator: ", ") + "]"),
      ("chunk_times", "{" + chunk.joined(separator: ", ") + "}"), ("seed", "\(search.seed)"),
      ("actions_evaluated", "\(result.effort)"),
    ]
    return "{\n" + members.map { "  \"\($0)\": \($1)" }.joined(separator: ",\n") + "\n}\n"
  }
}
