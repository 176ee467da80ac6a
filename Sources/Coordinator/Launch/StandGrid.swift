// Where every rank stands in its list of the schedule, and whom it waits for: the picture that goes
// with a failure. A line for each rank: the actions around its place, which stands in `>…<`.

package import ModelSpec
internal import RunFiles
package import Schedules

package struct StandGrid: Sendable {
  private let layout: Layout
  private let plan: SchedulePlan?

  /// Most ranks shown, and actions shown on either side of a rank's place.
  private static let (rows, reach) = (32, 2)

  /// - Parameter plan: what the ranks perform; nil when it isn't the same for all steps, then
  ///   places are numbers only.
  package init(layout: Layout, plan: SchedulePlan?) {
    self.layout = layout
    self.plan = plan
  }

  /// The action that a rank is in, "action 12 of 40, 3RECV_F4"; nil when it is outside its list.
  package func place(of beat: RankState) -> String? {
    guard beat.beat.phase == .schedule, let list = list(of: beat.beat.rank),
      list.indices.contains(beat.beat.actionsDone)
    else { return nil }
    let index = beat.beat.actionsDone
    return "action \(index + 1) of \(list.count), \(list[index])"
  }

  /// The lines; ranks of `first` are shown even if there are more than fit.
  package func lines(_ states: [RankState?], first: [Int], now: Double) -> [String] {
    let shown = Set((first + Array(states.indices)).prefix(Self.rows)).sorted()
    var rows = [["rank", "step", "done", "place in its list", "waits for"]]
    for rank in shown {
      guard let state = states[rank] else {
        rows.append(["\(rank)", "-", "-", "no sign of it", ""])
        continue
      }
      let beat = state.beat
      let total = list(of: rank).map { " of \($0.count)" } ?? ""
      rows.append([
        "\(rank)", "\(beat.step)", beat.phase == .schedule ? "\(beat.actionsDone)\(total)" : "-",
        window(of: state), waiting(state, now: now),
      ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    var lines = rows.map { row in
      let line = zip(row, widths).enumerated().map { column, cell in
        let blanks = String(repeating: " ", count: cell.1 - cell.0.count)
        return column < 3 ? blanks + cell.0 : cell.0 + blanks
      }.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
    if shown.count < states.count { lines.append("(\(shown.count) of \(states.count) ranks)") }
    return lines
  }

  private func list(of rank: Int) -> [Action]? {
    guard let plan, (0..<layout.worldSize).contains(rank) else { return nil }
    return plan.actions[layout.pipelineRank(of: rank)]
  }

  private func window(of state: RankState) -> String {
    let beat = state.beat
    guard beat.phase == .schedule else { return ">\(beat.phase)<" }
    guard let list = list(of: beat.rank) else { return ">\(beat.actionsDone)<" }
    let place = min(max(0, beat.actionsDone), list.count)
    let range = max(0, place - Self.reach)..<min(list.count, place + Self.reach + 1)
    let cells = range.map { $0 == place ? ">\(list[$0])<" : "\(list[$0])" }
    return (range.lowerBound > 0 ? "… " : "") + cells.joined(separator: " ")
      + (place == list.count ? " >end<" : range.upperBound < list.count ? " …" : "")
  }

  private func waiting(_ state: RankState, now: Double) -> String {
    let seconds = max(0, now - state.beat.time)
    let time = "\((seconds * 10).rounded() / 10) s"
    if state.process == .gone { return "its process is gone" }
    if state.isStopped { return "its process is stopped, \(time)" }
    guard state.beat.wait != .nothing else {
      return state.isBusy ? "nobody, no beat for \(time)" : ""
    }
    return "\(state.beat.wait.words)" + (state.beat.peer.map { " of rank \($0)" } ?? "")
      + ", \(time)"
  }
}
