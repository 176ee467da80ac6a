// `dsv3 config`: the configuration a run would have, after the checks it would make.

import RunConfiguration

let configCommand = Command(
  "dsv3 config",
  usage: "[--config FILE] [--set KEY=VALUE]... [--json]",
  summary: "the resolved configuration, non-defaults marked",
  help: """
    Prints the configuration that dsv3-worker would run with: the file's keys, then those of --set,
    and the default of every other key. Names, model and schedule are checked as a run checks them.
    """,
  options: [
    CommandOption("config", value: "FILE", help: "configuration to read (cluster.yaml)"),
    CommandOption("set", value: "KEY=VALUE", help: "override a key by its dotted path"),
    CommandOption("json", help: "as JSON, without marks"),
  ],
  run: showConfiguration)

private func showConfiguration(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let configuration = try RunConfiguration.load(
    path: options.value("config"), overrides: options.values("set"))
  _ = try configuration.resolve()
  if options.has("json") {
    print(configuration.resolvedJSON)
  } else {
    print(configuration.resolvedYAML(markNonDefaults: true), terminator: "")
  }
}
