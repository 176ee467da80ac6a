// `dsv3 config`: the configuration a run would have, after the checks it would make.

import RunConfiguration

let configCommand = Command(
  "dsv3 config",
  usage: "[--config FILE | --preset NAME] [--set KEY=VALUE]... [--json]",
  summary: "the resolved configuration, non-defaults marked",
  help: """
    Prints the configuration that dsv3-worker would run with: the file's keys, then those of --set,
    and the default of every other key. Names, model and schedule are checked as a run checks them.
    """,
  options: configurationOptions + [
    CommandOption("json", help: "as JSON, without marks")
  ],
  run: showConfiguration)

private func showConfiguration(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let configuration = try options.configuration()
  _ = try configuration.resolve()
  if options.has("json") {
    print(configuration.resolvedJSON)
  } else {
    print(configuration.resolvedYAML(markNonDefaults: true), terminator: "")
  }
}

/// Options of every command that is told a configuration.
let configurationOptions = [
  CommandOption("config", value: "FILE", help: "configuration to read (cluster.yaml)"),
  CommandOption("preset", value: "NAME", help: "configuration known by name ('dsv3 presets')"),
  CommandOption("set", value: "KEY=VALUE", help: "override a key by its dotted path"),
]

extension ParsedOptions {
  /// The configuration that `configurationOptions` tell.
  func configuration() throws -> RunConfiguration {
    guard let preset = value("preset") else {
      return try RunConfiguration.load(path: value("config"), overrides: values("set"))
    }
    if has("config") { throw usageError("--config and --preset exclude one another") }
    do {
      return try RunConfiguration.load(preset: preset, overrides: values("set"))
    } catch {
      // An unknown name stands on this command line; any other mistake names its own place.
      throw error.kind == .usage && error.origin == nil ? usageError(error.problem) : error
    }
  }
}
