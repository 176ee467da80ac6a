// `dsv3 dashboard`: serves the runs of a folder as a web page until it is told to end.

import CSystem
import Dashboard
import Glibc
import RunConfiguration

let dashboardCommand = Command(
  "dsv3 dashboard",
  usage: "[--port PORT] [--runs DIR]",
  summary: "a web page of the runs: losses, throughput, timeline, loads, memory",
  help: """
    Serves a page about the runs of a folder to browsers on this machine, with live charts, the last
    simulated step's timeline, expert loads, links, memory, configuration and failures. JSON is
    under /api, metrics for Prometheus are at /metrics. It only reads, needs no internet, and runs
    until Ctrl-C. From elsewhere: ssh -L 8265:localhost:8265 MACHINE.
    """,
  options: [
    CommandOption(
      "port", letter: "p", value: "PORT",
      help: "listen on this port (\(Dashboard.defaultPort)); 0 takes any that is free"),
    CommandOption("runs", value: "DIR", help: "the folder of the runs (runs)"),
  ],
  run: serveDashboard)

private func serveDashboard(_ options: ParsedOptions) throws {
  _ = try options.operands()
  var settings = DashboardSettings()
  if let port = try options.integer("port", in: 0...65535) { settings.port = port }
  if let folder = options.value("runs") { settings.runs = folder }
  var status = stat()
  guard
    options.value("runs") == nil
      || stat(settings.runs, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  else {
    throw CommandError(message: "'\(printable(settings.runs))' is not a folder", code: 66)
  }
  // The server's threads, too, leave the signals to this one.
  var signals = sigset_t()
  sigemptyset(&signals)
  for signal in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
  pthread_sigmask(SIG_BLOCK, &signals, nil)
  // Runs that are looked at go before those who look.
  _ = nice(5)
  let dashboard = try Dashboard(settings)
  print("\(dashboard.address) shows the runs in '\(settings.runs)'; Ctrl-C ends")
  fflush(dsv3_stdout())
  var second = timespec(tv_sec: 1, tv_nsec: 0)
  while sigtimedwait(&signals, nil, &second) < 0 { dashboard.dropSlowClients() }
  dashboard.stop()
}
