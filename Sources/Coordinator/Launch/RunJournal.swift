// run.json and events.jsonl of a launched run, kept true while it goes. What can't be written on
// the way is no reason to end a training: the first such failure is said, and the next change is
// tried again.

package import RunFiles

package final class RunJournal {
  private let directory: RunDirectory
  private(set) var record: RunRecord
  private let complain: (String) -> Void
  private var hasComplained = false

  /// Writes the first record.
  /// - Throws: `RunFileError`.
  package init(
    _ directory: RunDirectory, _ record: RunRecord, complain: @escaping (String) -> Void
  ) throws(RunFileError) {
    self.directory = directory
    self.record = record
    self.complain = complain
    try record.write(to: directory.record)
  }

  /// Changes the record and writes it.
  func update(_ change: (inout RunRecord) -> Void) {
    change(&record)
    record.updated = RunFile.now
    attempt { () throws(RunFileError) in try record.write(to: directory.record) }
  }

  func note(
    _ kind: RunEvent.Kind, _ message: String, step: Int? = nil, cause: FirstCause? = nil,
    details: [String] = []
  ) {
    let event = RunEvent(
      time: RunFile.now, kind: kind, message: message, step: step ?? cause?.step,
      rank: cause?.rank, host: cause?.host, signal: cause?.signal,
      details: details + (cause?.details ?? []))
    attempt { () throws(RunFileError) in try event.append(to: directory.events) }
  }

  private func attempt(_ body: () throws(RunFileError) -> Void) {
    do {
      try body()
      hasComplained = false
    } catch {
      if !hasComplained { complain("\(error.description); the job goes on") }
      hasComplained = true
    }
  }
}
