// What dsv3 can do, in the order in which `dsv3 --help` lists it.

let rootCommand = Command(
  "dsv3",
  summary: "looks into DeepSeek-V3 models, pipeline schedules and configurations of dsv3-worker",
  subcommands: [evaluateCommand])
