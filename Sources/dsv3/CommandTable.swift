// What dsv3 can do, in the order in which `dsv3 --help` lists it.

let rootCommand = Command(
  "dsv3",
  summary: "looks into models, pipeline schedules and configurations of dsv3-worker",
  subcommands: [
    evaluateCommand, configCommand, presetsCommand, scheduleCommand, calibrateCommand,
    benchCommand,
  ])

private let scheduleCommand = Command(
  "dsv3 schedule",
  summary: "lists, draws, exports, checks, analyses, compares and finds pipeline schedules",
  subcommands: [
    scheduleListCommand, scheduleShowCommand, scheduleExportCommand, scheduleCheckCommand,
    scheduleAnalyzeCommand, scheduleCompareCommand, scheduleSearchCommand,
  ])
