// What dsv3 can do, in the order in which `dsv3 --help` lists it.

let rootCommand = Command(
  "dsv3",
  summary:
    "trains on many ranks; simulates steps on a virtual cluster; looks into models and schedules",
  subcommands: [
    launchCommand, monitorCommand, dashboardCommand, runsCommand, logsCommand, compareCommand,
    checkpointCommand, injectCommand,
    simulateCommand, replayCommand, evaluateCommand, configCommand, presetsCommand, scheduleCommand,
    networkCommand, calibrateCommand, numericsCommand, benchesCommand,
  ])

private let scheduleCommand = Command(
  "dsv3 schedule",
  summary: "lists, draws, exports, checks, analyses, compares and finds pipeline schedules",
  subcommands: [
    scheduleListCommand, scheduleShowCommand, scheduleExportCommand, scheduleCheckCommand,
    scheduleAnalyzeCommand, scheduleCompareCommand, scheduleSearchCommand,
  ])

/// `dsv3 bench` and what stands under it.
private let benchesCommand: Command = {
  var command = benchCommand
  command.subcommands = [benchNetworkCommand, benchSimulationCommand, benchNumericsCommand]
  return command
}()
