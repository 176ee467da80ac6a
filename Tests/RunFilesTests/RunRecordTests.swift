// run.json, events.jsonl and a rank's beat: what is written is what is read.

import Glibc
import JSON
import RunFiles
import Testing

/// A directory that goes with the test.
private final class Folder {
  let path: String

  init() {
    var template = Array("/tmp/dsv3-run-files-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? ""
  }

  deinit {
    for name in ["run.json", "events.jsonl", "beat"] { unlink("\(path)/\(name)") }
    rmdir(path)
  }
}

@Suite struct RunRecordTests {
  private static var record: RunRecord {
    var record = RunRecord(
      name: "a", state: .running, coordinator: ProcessTable.own, ranks: 4, hosts: ["a", "b"],
      command: ["mpirun", "-n", "4"], started: 12.5, maxRestarts: 3, steps: 10)
    record.job = ProcessIdentity(host: "b", pid: 7, ticks: 9)
    return record
  }

  @Test func aRecordIsReadAsItWasWritten() throws {
    let folder = Folder()
    var record = Self.record
    for state in RunRecord.State.allCases {
      record.state = state
      record.exitCode = state == .failed ? 70 : nil
      record.ended = state == .finished ? 99.25 : nil
      try record.write(to: "\(folder.path)/run.json")
      #expect(try RunRecord(path: "\(folder.path)/run.json") == record)
    }
    #expect(throws: RunFileError.self) { try RunRecord(path: "\(folder.path)/none.json") }
  }

  @Test func eventsAreReadInOrderWithoutATornLastOne() throws {
    let folder = Folder()
    let path = "\(folder.path)/events.jsonl"
    let events = RunEvent.Kind.allCases.enumerated().map { number, kind in
      RunEvent(
        time: Double(number) + 0.25, kind: kind, message: "\"\(number)\"\n", step: number,
        rank: number == 2 ? nil : number, host: "h", signal: 9, details: ["a", "b"])
    }
    for event in events { try event.append(to: path) }
    #expect(RunEvent.all(at: path) == events)
    let file = try #require(fopen(path, "a"))
    fputs("{\"time\": 1, \"kind", file)
    fclose(file)
    #expect(RunEvent.all(at: path) == events)
  }

  @Test func aBeatOutlivesItsWriter() throws {
    let folder = Folder()
    let path = "\(folder.path)/beat"
    do {
      let beat = try BeatWriter(path: path, rank: 3)
      #expect(RankBeat(path: path)?.phase == .starting)
      beat.begin(step: 5)
      beat.did(actions: 7)
      beat.wait(.gradient, peer: 11)
      beat.memory(tensorBytes: 100, residentBytes: 200)
    }
    let read = try #require(RankBeat(path: path))
    #expect(read.rank == 3 && read.pid == getpid() && read.host == ProcessTable.hostName)
    #expect(read.phase == .schedule && read.step == 5 && read.actionsDone == 7)
    #expect(read.wait == .gradient && read.peer == 11)
    #expect(read.tensorBytes == 100 && read.residentBytes == 200)
    #expect(
      ProcessTable.isAlive(ProcessIdentity(host: read.host, pid: read.pid, ticks: read.ticks))
        == true)
  }

  @Test func aProcessNumberUsedAgainIsAnotherProcess() {
    var own = ProcessTable.own
    #expect(ProcessTable.isAlive(own) == true)
    own.ticks += 1
    #expect(ProcessTable.isAlive(own) == false)
    own.host += "-elsewhere"
    #expect(ProcessTable.isAlive(own) == nil)
  }
}
