// Requests for faults and marks of made ones, as rank and `dsv3 inject` see them.

import Glibc
import RunFiles
import Testing

@Suite struct FaultFolderTests {
  @Test func aRequestIsOpenUntilItIsMade() throws {
    var template = Array("/tmp/dsv3-faults-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } }
    let path = String(cString: try #require(made))
    defer { rmdir(path) }
    let folder = FaultFolder(path: path + "/faults")
    defer { rmdir(folder.path) }
    #expect(folder.requests().isEmpty)

    let first = try folder.ask("kill 3")
    let second = try folder.ask("hang 1 at 9")
    #expect(folder.requests().map(\.text) == ["kill 3", "hang 1 at 9"])
    #expect(folder.requests().allSatisfy { !$0.isTaken } && !folder.isTaken(first))
    #expect(folder.take(first) && folder.isTaken(first))
    #expect(folder.requests().map(\.isTaken) == [true, false])
    // Taken is taken: neither again, nor back.
    #expect(!folder.take(first) && !folder.withdraw(first))
    #expect(folder.withdraw(second) && !folder.take(second))

    #expect(folder.mark(first) == nil)
    try folder.mark(first, "rank 3 is gone")
    #expect(folder.mark(first) == "rank 3 is gone" && folder.requests().isEmpty)
    try folder.clear()
    #expect(folder.mark(first) == nil && RunFolder.names(in: folder.path).isEmpty)
  }
}
