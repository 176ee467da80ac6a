// Command lines in the GNU manner.

import RunConfiguration
import Testing

@Suite struct OptionParserTests {
  private let worker = OptionParser(
    command: "dsv3-worker", usage: "[OPTION]...", summary: "Train one rank of a run.",
    options: [
      CommandOption("config", letter: "c", value: "FILE", help: "read FILE"),
      CommandOption("set", value: "KEY=VALUE", help: "override a key"),
      CommandOption("ranks", letter: "n", value: "N", help: "number of ranks"),
      CommandOption("quiet", letter: "q", help: "no progress lines"),
    ])

  private func refusal(_ arguments: String...) -> String {
    do {
      _ = try worker.parse(arguments)
      return "accepted"
    } catch {
      return error.exitCode == 64 ? error.description : "exit code \(error.exitCode)"
    }
  }

  @Test func longOptionsTakeTheirValueInBothWays() throws {
    let parsed = try worker.parse(["--config", "a.yaml", "--set=x=1", "--set", "y=2", "--quiet"])
    #expect(parsed.value("config") == "a.yaml")
    #expect(parsed.values("set") == ["x=1", "y=2"])
    #expect(parsed.has("quiet") && !parsed.has("help"))
    #expect(parsed.value("ranks") == nil && parsed.values("ranks") == [])
  }

  @Test(arguments: [
    ["-n", "4", "-q"], ["-n4", "-q"], ["-qn", "4"], ["-qn4"], ["--ranks=4", "-q"],
  ])
  func lettersTakeTheirValueAttachedOrApart(arguments: [String]) throws {
    let parsed = try worker.parse(arguments)
    #expect(parsed.value("ranks") == "4")
    #expect(try parsed.integer("ranks", in: 1...8) == 4)
    #expect(parsed.has("quiet"))
    #expect(parsed.operands == [])
  }

  @Test func operandsStandAnywhereAndAfterADoubleDash() throws {
    let parsed = try worker.parse(["show", "-q", "-", "--", "--config", "-n"])
    #expect(parsed.operands == ["show", "-", "--config", "-n"])
    #expect(parsed.has("quiet") && !parsed.has("config"))
  }

  @Test func aRepeatedOptionGivesItsLastValueAndAnEmptyOneIsAValue() throws {
    let parsed = try worker.parse(["--config=a", "--config="])
    #expect(parsed.value("config") == "")
    #expect(parsed.values("config") == ["a", ""])
  }

  @Test func mistakesNameTheOptionAndTheWayToHelp() {
    let help = "\ntry 'dsv3-worker --help'"
    #expect(
      refusal("--confg", "x")
        == "dsv3-worker: unrecognised option '--confg'; did you mean '--config'?" + help)
    #expect(refusal("--zebra=1") == "dsv3-worker: unrecognised option '--zebra'" + help)
    #expect(refusal("-qz") == "dsv3-worker: unrecognised option '-z'" + help)
    #expect(
      refusal("--config") == "dsv3-worker: option '--config' wants a value: --config FILE" + help)
    #expect(refusal("-n") == "dsv3-worker: option '-n' wants a value: -n N" + help)
    #expect(refusal("--quiet=1") == "dsv3-worker: option '--quiet' takes no value" + help)
  }

  @Test func numbersAreCheckedWithTheirRange() throws {
    let parsed = try worker.parse(["--ranks=zero", "--config=-1"])
    let ranks = #expect(throws: ConfigurationError.self) {
      try parsed.integer("ranks", in: 1...Int.max)
    }
    #expect(
      ranks?.description == "dsv3-worker: option '--ranks' wants a whole number ≥ 1, not 'zero'\n"
        + "try 'dsv3-worker --help'")
    let bounded = #expect(throws: ConfigurationError.self) {
      try parsed.integer("config", in: 0...65535)
    }
    #expect(bounded?.problem.contains("wants a whole number from 0 to 65535, not '-1'") == true)
    #expect(throws: ConfigurationError.self) { try parsed.number("config") }
    #expect(try parsed.number("config", atLeast: -2) == -1)
    #expect(try parsed.integer("set", in: 0...1) == nil)
  }

  @Test func helpListsEveryOption() {
    #expect(
      worker.help == """
        Usage: dsv3-worker [OPTION]...
        Train one rank of a run.

          -c, --config FILE    read FILE
              --set KEY=VALUE  override a key
          -n, --ranks N        number of ranks
          -q, --quiet          no progress lines
          -h, --help           print this help and exit
              --version        print the version and exit

        """)
  }
}
