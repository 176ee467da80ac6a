// The command line itself: help, version, and what it says to somebody who mistypes.

import Testing

@Suite struct UsageTests {
  static let commands = [
    "evaluate", "config", "presets", "schedule", "schedule list", "schedule show",
    "schedule export", "schedule check", "schedule analyze", "schedule compare",
    "schedule search", "simulate", "replay", "network", "calibrate", "bench", "bench network",
    "bench simulation", "bench numerics", "numerics", "numerics cast", "numerics compare",
    "numerics gemm", "monitor", "runs", "logs", "compare",
  ]

  @Test func helpListsTheCommands() throws {
    let output = try Binary.run(["--help"])
    #expect(output.code == 0 && output.error == "")
    for command in ["simulate", "replay", "evaluate", "config", "presets", "network"] {
      #expect(output.standard.contains("\n  \(command) "), "\(output.standard)")
    }
  }

  @Test(arguments: commands)
  func everyCommandHasHelpAndTheVersion(_ command: String) throws {
    let words = command.split(separator: " ").map(String.init)
    for arguments in [words + ["--help"], words + ["-h"], ["help"] + words] {
      let help = try Binary.run(arguments)
      #expect(help.code == 0 && help.error == "")
      #expect(help.standard.hasPrefix("Usage: dsv3 \(command) "))
      #expect(help.standard.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }
    let version = try Binary.run(words + ["--version"])
    #expect(version.code == 0 && version.standard == "dsv3 0.1\n")
  }

  @Test func versionIsPrinted() throws {
    #expect(try Binary.run(["--version"]).standard == "dsv3 0.1\n")
  }

  @Test(arguments: [
    ([], "a command is missing"),
    (["evalute"], "there is no command 'evalute'; did you mean 'evaluate'?"),
    (["zzz"], "there are launch, inject, dashboard"),
    (["schedule"], "a command is missing"),
    (["schedule", "analyse"], "did you mean 'analyze'?"),
    (["--vresion"], "did you mean '--version'?"),
    (["presets", "--jsn"], "did you mean '--json'?"),
    (["presets", "--json=1"], "option '--json' takes no value"),
    (["presets", "mini"], "unexpected argument 'mini'"),
    (["config", "--set"], "wants a value: --set KEY=VALUE"),
    (["schedule", "show"], "NAME|FILE.csv is missing"),
    (["numerics"], "a command is missing"),
    (["numerics", "cats"], "there is no command 'cats'; did you mean 'cast'?"),
  ])
  func mistakesExitWith64AndAHint(_ arguments: [String], _ message: String) throws {
    let output = try Binary.run(arguments)
    #expect(output.code == 64)
    #expect(output.standard == "")
    #expect(output.error.contains(message), "\(output.error)")
    #expect(output.error.hasSuffix("--help'\n"))
  }
}
