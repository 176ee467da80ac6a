// Why the dashboard can't be served.

package enum DashboardError: Error, Equatable, CustomStringConvertible {
  /// The port is taken, or may not be listened on.
  case cannotListen(port: Int, reason: String)

  package var description: String {
    switch self {
    case .cannotListen(let port, let reason):
      "cannot serve on port \(port): \(reason); choose another with --port"
    }
  }

  package var exitCode: Int32 { 69 }
}
