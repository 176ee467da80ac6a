// The history of runs: a small database beside them, runs/history.db, so that what came of a run
// can still be said when its directory was deleted. It is no one's only source: where it can't be
// read or written, the runs themselves are as before.

package import RunFiles

package enum RunHistory {
  /// The version of the schema, kept in the file's user_version.
  private static let version = 1

  package static func path(in folder: RunFolder) -> String { folder.path + "/history.db" }

  /// Keeps what is known of a run as it is now: for whoever ends one.
  /// - Returns: what went wrong, in a sentence.
  package static func note(_ directory: RunDirectory, in folder: RunFolder) -> String? {
    var view = RunView(directory, depth: .lastStep)
    view.update()
    return note([view], in: folder)
  }

  /// Keeps what is known of runs, those in the folder alone: a run elsewhere has no history.
  /// - Returns: what went wrong, in a sentence.
  package static func note(_ views: [RunView], in folder: RunFolder) -> String? {
    let own = views.filter { view in
      guard let known = FileStamp(path: "\(folder.path)/\(view.name)"),
        let found = FileStamp(path: view.directory.path)
      else { return false }
      return known.isSameFile(as: found)
    }
    guard !own.isEmpty else { return nil }
    return problem { () throws(SQLiteError) in
      let database = try open(folder)
      try database.transaction { () throws(SQLiteError) in
        for view in own { try insert(RunSummary(view), database) }
      }
    }
  }

  /// Runs of the folder that only the history knows, the newest first.
  /// - Parameter present: the runs that are there.
  /// - Returns: the runs, and what went wrong.
  package static func deleted(
    in folder: RunFolder, present: [RunSummary]
  ) -> (runs: [RunSummary], problem: String?) {
    guard FileStamp(path: path(in: folder)) != nil else { return ([], nil) }
    var runs: [RunSummary] = []
    let problem = problem { () throws(SQLiteError) in
      runs = try all(try open(folder))
    }
    let known = Set(present.map { Identity($0) })
    return (runs.filter { !known.contains(Identity($0)) }, problem)
  }

  private struct Identity: Hashable {
    let name: String
    let born: Int

    init(_ run: RunSummary) { (name, born) = (run.name, run.born) }
  }

  private static func problem(_ body: () throws(SQLiteError) -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return "the history of runs can't be used: \(error)"
    }
  }

  private static func open(_ folder: RunFolder) throws(SQLiteError) -> SQLiteDatabase {
    let path = path(in: folder)
    let database = try SQLiteDatabase(path: path)
    let found = try database.perform("PRAGMA user_version").first?.first?.integer ?? 0
    guard found <= version else {
      throw SQLiteError(
        path: path, message: "it is of version \(found), and this program knows \(version)")
    }
    if found < 1 {
      try database.perform("PRAGMA journal_mode = WAL")
      try database.transaction { () throws(SQLiteError) in
        // Somebody else may have made it in between.
        try database.perform(
          """
          CREATE TABLE IF NOT EXISTS runs (
            name TEXT NOT NULL, born INTEGER NOT NULL, state TEXT NOT NULL, step INTEGER,
            steps INTEGER, loss REAL, tokens_per_second REAL, virtual_step_seconds REAL,
            restarts INTEGER NOT NULL, started REAL, last_written REAL, layout TEXT,
            schedule TEXT, precision TEXT, configuration_digest TEXT,
            PRIMARY KEY (name, born)) WITHOUT ROWID
          """)
        try database.perform("PRAGMA user_version = 1")
      }
    }
    return database
  }

  private static func insert(
    _ run: RunSummary, _ database: SQLiteDatabase
  ) throws(SQLiteError) {
    try database.perform(
      """
      INSERT OR REPLACE INTO runs (
        name, born, state, step, steps, loss, tokens_per_second, virtual_step_seconds, restarts,
        started, last_written, layout, schedule, precision, configuration_digest)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """,
      [
        SQLiteValue(run.name), SQLiteValue(run.born), SQLiteValue(run.state.rawValue),
        SQLiteValue(run.step), SQLiteValue(run.totalSteps), SQLiteValue(run.loss),
        SQLiteValue(run.tokensPerSecond), SQLiteValue(run.virtualStep), SQLiteValue(run.restarts),
        SQLiteValue(run.started), SQLiteValue(run.lastWritten), SQLiteValue(run.layout),
        SQLiteValue(run.schedule), SQLiteValue(run.precision),
        SQLiteValue(run.configurationDigest),
      ])
  }

  private static func all(_ database: SQLiteDatabase) throws(SQLiteError) -> [RunSummary] {
    try database.perform(
      """
      SELECT name, born, state, step, steps, loss, tokens_per_second, virtual_step_seconds,
        restarts, started, last_written, layout, schedule, precision, configuration_digest
      FROM runs ORDER BY started DESC, name DESC
      """
    ).compactMap(RunSummary.init(row:))
  }
}

extension RunSummary {
  /// A row of the history; nil when it isn't one.
  fileprivate init?(row: [SQLiteValue]) {
    guard row.count == 15, let name = row[0].text, let born = row[1].integer else { return nil }
    self.name = name
    self.born = born
    state = row[2].text.flatMap(RunState.init(rawValue:)) ?? .unknown
    (step, totalSteps) = (row[3].integer, row[4].integer)
    (loss, tokensPerSecond, virtualStep) = (row[5].real, row[6].real, row[7].real)
    restarts = row[8].integer ?? 0
    (started, lastWritten) = (row[9].real, row[10].real)
    (layout, schedule, precision) = (row[11].text, row[12].text, row[13].text)
    configurationDigest = row[14].text
    isDeleted = true
  }
}
