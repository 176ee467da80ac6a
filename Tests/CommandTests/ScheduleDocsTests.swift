// The pictures and the table of docs/schedules.md are what the commands print.

import ModelSpec
import Schedules
import Testing

@Suite struct ScheduleDocsTests {
  private func repositoryFile(_ path: String) throws -> String {
    String(decoding: try readSmallFile("\(Binary.root)/\(path)"), as: UTF8.self)
  }

  @Test(arguments: ScheduleCatalog.names)
  func thePictureIsTheCommands(_ name: String) throws {
    let output = try Binary.run([
      "schedule", "show", name, "--pp", "4", "--microbatches", "8", "--svg", "-",
    ])
    #expect(output.code == 0)
    #expect(try output.standard == repositoryFile("docs/schedules/\(name).svg"))
    #expect(try repositoryFile("docs/schedules.md").contains("(schedules/\(name).svg)"))
  }

  @Test func theTableIsTheCommands() throws {
    let output = try Binary.run(["schedule", "compare", "--pp", "4", "--microbatches", "8"])
    let rows = output.standard.split(separator: "\n").map { line in
      line.split(separator: " ").map(String.init)
    }
    let text = try repositoryFile("docs/schedules.md")
    for name in ScheduleCatalog.names {
      let row = try #require(rows.first { $0.first == name })
      // The documentation leaves out the activations that are held only to the input half.
      let kept = row.enumerated().filter { $0.offset != 0 && $0.offset != 5 }.map(\.element)
      #expect(text.contains("| `\(name)` | " + kept.joined(separator: " | ") + " |"), "\(name)")
    }
  }
}
