// The history of runs: what it keeps when a run's directory is deleted, and that a bad file of it
// is a warning and no more.

import Coordinator
import Glibc
import RunFiles
import Testing

@Suite struct RunHistoryTests {
  private func views(_ runs: SyntheticRuns) -> [RunView] {
    RunSummary.all(in: RunFolder(path: runs.path))
  }

  private func delete(_ run: SyntheticRun) throws {
    _ = try Subprocess(
      starting: ProgramCall("rm", ["-rf", run.directory.path]), output: { _ in }, error: { _ in }
    ).wait()
  }

  @Test func aDeletedRunIsStillKnown() throws {
    let runs = try SyntheticRuns()
    let folder = RunFolder(path: runs.path)
    let name = "it's; DROP TABLE runs --"
    let run = try runs.run(name)
    try run.train(1...7)
    try run.record(.finished, restarts: 2)
    let other = try runs.run("other")
    #expect(RunHistory.note(views(runs), in: folder) == nil)
    // Again, further on.
    try run.train(8...20)
    #expect(RunHistory.note(run.directory, in: folder) == nil)
    let before = views(runs).map { RunSummary($0) }
    #expect(before.map(\.name) == ["other", name])
    #expect(RunHistory.deleted(in: folder, present: before).runs.isEmpty)

    try delete(run)
    let (deleted, problem) = RunHistory.deleted(
      in: folder, present: views(runs).map { RunSummary($0) })
    #expect(problem == nil)
    var expected = try #require(before.last)
    expected.isDeleted = true
    #expect(deleted == [expected])
    #expect(expected.step == 20 && expected.totalSteps == 20 && expected.restarts == 2)
    #expect(abs((expected.loss ?? 0) - 3.7) < 1e-12 && expected.tokensPerSecond == 2048)
    #expect(
      expected.layout == "2×2×2" && expected.schedule == "1f1b" && expected.state == .finished)
    #expect(expected.configurationDigest?.count == 16)

    // Another run of that name does not replace it.
    usleep(2000)
    _ = try runs.run(name)
    #expect(RunHistory.note(views(runs), in: folder) == nil)
    let present = views(runs).map { RunSummary($0) }
    #expect(RunHistory.deleted(in: folder, present: present).runs == [expected])
    _ = other
  }

  @Test func theDigestIsOfTheConfigurationAndNotOfThePlace() throws {
    let runs = try SyntheticRuns()
    _ = try runs.run("a", settings: "run: {directory: here}\n")
    _ = try runs.run("b", settings: "run: {directory: there}\ncheckpoint: {every: 7}\n")
    _ = try runs.run("c", settings: "training: {seed: 77}\n")
    let digests = Dictionary(
      uniqueKeysWithValues: views(runs).map { RunSummary($0) }.map {
        ($0.name, $0.configurationDigest ?? "none")
      })
    #expect(digests["a"] == digests["b"] && digests["a"] != digests["c"])
    #expect(digests["a"] != "none" && digests["c"] != "none")
  }

  @Test func aBadHistoryIsAWarning() throws {
    let runs = try SyntheticRuns()
    let folder = RunFolder(path: runs.path)
    let run = try runs.run("a")
    let path = RunHistory.path(in: folder)
    let rubbish = String(repeating: "this is no database ", count: 200)
    try run.write(rubbish, to: path)
    #expect(RunHistory.note(views(runs), in: folder)?.contains("history.db") == true)
    let (none, problem) = RunHistory.deleted(in: folder, present: [])
    #expect(none.isEmpty && problem?.contains("not a database") == true)
    #expect(try RunFile.contents(of: path) == Array(rubbish.utf8))
    unlink(path)
    // A directory in its place can't be opened either.
    mkdir(path, 0o777)
    #expect(RunHistory.note(views(runs), in: folder)?.contains("unable to open") == true)
    rmdir(path)
    // A later version's file is left alone: 4 bytes big-endian at 60 are its user_version.
    #expect(RunHistory.note(views(runs), in: folder) == nil)
    let file = try #require(fopen(path, "r+"))
    fseek(file, 63, SEEK_SET)
    fputc(9, file)
    fclose(file)
    unlink(path + "-wal")
    #expect(RunHistory.note(views(runs), in: folder)?.contains("version 9") == true)
  }

  @Test func aRunOutsideTheFolderHasNoHistory() throws {
    let runs = try SyntheticRuns()
    let elsewhere = try SyntheticRuns().run("a")
    var view = RunView(elsewhere.directory)
    view.update()
    #expect(RunHistory.note([view], in: RunFolder(path: runs.path)) == nil)
    #expect(FileStamp(path: RunHistory.path(in: RunFolder(path: runs.path))) == nil)
    // By another path to the same place it has.
    _ = try runs.run("b")
    let dotted = RunDirectory(path: "\(runs.path)/./b")
    #expect(RunHistory.note(dotted, in: RunFolder(path: runs.path)) == nil)
    #expect(FileStamp(path: RunHistory.path(in: RunFolder(path: runs.path))) != nil)
  }
}
