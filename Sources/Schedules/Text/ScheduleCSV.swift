// PyTorch's pipeline CSV (torch.distributed.pipelining, `_dump_csv` and `_load_csv`, torch 2.13):
// a line for each rank, its actions in order, idle slots as empty cells. dsv3 extends it in one
// point: a stage may stand on several lines, as long as each (stage, micro-batch) does on one
// only.

/// Reader and writer of schedule files. Files are bytes here; opening them is the caller's.
package enum ScheduleCSV {
  /// Numbers a file must have; nil is any.
  package struct Expectation: Hashable, Sendable {
    package var ranks: Int?
    package var stages: Int?
    package var microbatches: Int?

    package init(ranks: Int? = nil, stages: Int? = nil, microbatches: Int? = nil) {
      self.ranks = ranks
      self.stages = stages
      self.microbatches = microbatches
    }
  }

  /// Most cells of a file, idle ones included.
  package static let largestCellCount = 1 << 24

  /// A file that was read: what it says, and the cells that say nothing, to write it again.
  package struct File: Hashable, Sendable {
    package let plan: SchedulePlan
    /// Whether sends and receives were in the file, and not added by lowering.
    package let hasCommunication: Bool
    let fillers: [[ScheduleRows.Filler]]

    /// The file as it was, idle slots and FSDP's cells included, in CR LF lines without blanks.
    package var text: String {
      let lists = hasCommunication ? plan.actions : plan.schedule.actions
      return zip(lists, fillers).map { list, fillers in
        var cells: [String] = []
        var rest = fillers[...]
        for (index, action) in list.enumerated() {
          while let filler = rest.first, filler.index == index {
            cells.append(filler.text)
            rest.removeFirst()
          }
          cells.append(action.description)
        }
        return (cells + rest.map(\.text)).joined(separator: ",") + "\r\n"
      }.joined()
    }
  }

  /// Reads a file and proves that it runs; see `readFile`.
  package static func read(
    _ bytes: [UInt8], name: String, expecting: Expectation = Expectation(),
    transport: Transport = Transport()
  ) throws(ScheduleError) -> SchedulePlan {
    try readFile(bytes, name: name, expecting: expecting, transport: transport).plan
  }

  /// Reads a file and proves that it runs.
  ///
  /// With sends or receives in the file they are taken as they are and checked; without any, they
  /// are added by lowering. Line ends may be LF or CR LF; spaces around a cell are dropped. Idle
  /// cells and FSDP's `UNSHARD`, `RESHARD`, `REDUCE_GRAD` have no part in the plan.
  ///
  /// - Parameters:
  ///   - name: what the schedule is called, usually the file's name.
  ///   - transport: how messages behave in the dry run of a file with communication.
  /// - Throws: `ScheduleError` with line and cell, the rule, and the grid around the bad action.
  package static func readFile(
    _ bytes: [UInt8], name: String, expecting: Expectation = Expectation(),
    transport: Transport = Transport()
  ) throws(ScheduleError) -> File {
    let rows = try ScheduleRows(parsing: bytes)
    if let ranks = expecting.ranks, rows.actions.count != ranks {
      throw ScheduleError(
        .shape,
        "the file has \(rows.actions.count) lines, one for each of \(ranks) ranks is right")
    }
    let (stages, microbatches) = rows.extent
    try rows.check("stages", stages, expecting.stages, \.stage)
    try rows.check("micro-batches", microbatches, expecting.microbatches, \.microbatch)
    let computed = rows.computed
    let schedule: Schedule
    do {
      schedule = try Schedule(
        name: name, stages: stages, microbatches: microbatches, actions: computed.actions)
    } catch { throw computed.locating(error) }
    do {
      let plan =
        rows.hasCommunication
        ? try SchedulePlan(schedule: schedule, actions: rows.actions, transport: transport)
        : try SchedulePlan(lowering: schedule)
      return File(plan: plan, hasCommunication: rows.hasCommunication, fillers: rows.fillers)
    } catch { throw rows.locating(error) }
  }

  /// Reads a file's text; see `read(_:name:expecting:transport:)`.
  package static func read(
    _ text: String, name: String, expecting: Expectation = Expectation(),
    transport: Transport = Transport()
  ) throws(ScheduleError) -> SchedulePlan {
    try read(Array(text.utf8), name: name, expecting: expecting, transport: transport)
  }

  /// The compute-only form, CR LF line ends, no idle cells.
  package static func text(of schedule: Schedule) -> String { text(schedule.actions) }

  /// The form with sends and receives.
  package static func text(of plan: SchedulePlan) -> String { text(plan.actions) }

  private static func text(_ actions: [[Action]]) -> String {
    actions.map { $0.map(\.description).joined(separator: ",") + "\r\n" }.joined()
  }
}
