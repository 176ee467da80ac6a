// `dsv3 schedule list`: the schedules that can be made by name.

import JSON
import ModelSpec
import RunConfiguration
import Schedules

let scheduleListCommand = Command(
  "dsv3 schedule list",
  usage: "[--json]",
  summary: "the schedules known by name",
  help: "Lists the schedules that schedule.name of cluster.yaml and the other commands can name.",
  options: [CommandOption("json", help: "as JSON")],
  run: listSchedules)

private func listSchedules(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let entries = ScheduleCatalog.entries
  if options.has("json") {
    let list = entries.map { entry in
      JSONValue.object(["name": .string(entry.name), "summary": .string(entry.summary)])
    }
    let value = JSONValue.object(["schedules": .array(list)])
    print(String(decoding: value.text(), as: UTF8.self), terminator: "")
  } else {
    print(table(entries.map { [$0.name, $0.summary] }))
  }
}
