// From a file's name to the format of the trace in it.

/// Formats that a trace can be written in.
package enum TraceFormat: Hashable, Sendable {
  /// Chrome's JSON ("Trace Event Format"), with details of every event; for chosen ranks.
  case chrome
  /// Perfetto's TrackEvent protobuf, a tenth as large; for all ranks.
  case perfetto

  /// The format that a file's extension stands for.
  ///
  /// Throws `SimulationError` when it stands for none.
  package init(path: String) throws(SimulationError) {
    if path.hasSuffix(".json") {
      self = .chrome
    } else if [".pftrace", ".perfetto-trace", ".pb"].contains(where: path.hasSuffix) {
      self = .perfetto
    } else {
      throw SimulationError(
        .unknownFormat, source: path,
        message: "a trace is called *.json (Chrome) or *.pftrace, *.perfetto-trace, *.pb (Perfetto)"
      )
    }
  }
}

/// Writes the timeline of `outcome` to the file `path`, which appears when it is whole. Both
/// formats open in Perfetto's viewer.
///
/// Throws `SimulationError` when the name ends in no known extension or the file cannot be written.
package func writeTrace(of outcome: StepOutcome, to path: String) throws(SimulationError) {
  let format = try TraceFormat(path: path)
  let file = try TraceFile(path: path)
  switch format {
  case .chrome: try ChromeTrace(outcome, to: file).write()
  case .perfetto: try PerfettoTrace(outcome, to: file).write()
  }
}
