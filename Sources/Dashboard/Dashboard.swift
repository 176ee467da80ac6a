// The dashboard: a web page and its JSON about the runs of a folder, for this machine's loopback
// alone. It only reads.

internal import Glibc

package struct DashboardSettings: Sendable {
  /// The runs folder.
  package var runs = "runs"
  /// 0: any that is free.
  package var port = Dashboard.defaultPort
  /// Seconds for which what was read of a run's files is taken for new, whoever asks.
  package var lookInterval = 1.0
  /// Seconds that a client may take over a request.
  package var requestSeconds = 20.0

  package init() {}
}

/// Serves from its making to its end. Belongs to one thread.
package final class Dashboard {
  package static let defaultPort = 8265
  package let port: Int
  private let server: WebServer

  /// - Throws: `DashboardError` when the port is taken.
  package init(_ settings: DashboardSettings) throws(DashboardError) {
    let router = Router(
      shelf: RunShelf(folder: settings.runs, lookInterval: settings.lookInterval))
    let (sockets, port) = try LoopbackSockets.listen(port: settings.port)
    self.port = port
    var limits = WebLimits()
    limits.requestSeconds = settings.requestSeconds
    guard
      let server = WebServer(
        sockets: sockets, limits: limits, answer: { router.reply(to: $0) })
    else { throw .cannotListen(port: port, reason: "libmicrohttpd can't start a thread") }
    self.server = server
  }

  package var address: String { "http://localhost:\(port)/" }

  /// To be called every second or so: closes connections of clients that take too long.
  package func dropSlowClients() { server.dropSlowClients() }

  package func stop() { server.stop() }
}
