// libmicrohttpd: a thread for each listening socket, which reads requests and writes replies; what
// is replied is decided by a closure. Limits keep one client from taking the server from others.

internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

/// What a client may use.
struct WebLimits: Sendable {
  /// Bytes of a request's head, and of a reply's that is being written.
  var head = 16 << 10
  /// Connections of a listening socket at a time.
  var connections = 400
  /// Without a byte.
  var idleSeconds = 10
  /// From one request's end, or the connection's begin, to the next request's end.
  var requestSeconds = 20.0
}

/// Serves until it is stopped. Belongs to one thread.
final class WebServer {
  private let context: WebContext
  private var daemons: [OpaquePointer] = []

  /// Takes the sockets over; nil when libmicrohttpd can't start.
  init?(
    sockets: [Int32], limits: WebLimits, answer: @escaping @Sendable (WebRequest) -> WebReply
  ) {
    context = WebContext(limits: limits, answer: answer)
    var rest = sockets[...]
    while let socket = rest.popFirst() {
      var settings = dsv3_web_settings()
      settings.socket = socket
      settings.connection_memory = UInt(limits.head)
      settings.connections = UInt32(limits.connections)
      settings.idle_seconds = UInt32(limits.idleSeconds)
      settings.answer = answerRequest
      settings.connection_changed = noteConnection
      settings.request_ended = noteRequestEnd
      settings.unescape = { _, _, text in text.map { strlen($0) } ?? 0 }
      settings.context = Unmanaged.passUnretained(context).toOpaque()
      guard let daemon = dsv3_web_start(&settings) else {
        for unused in [socket] + rest { close(unused) }
        stop()
        return nil
      }
      daemons.append(daemon)
    }
  }

  deinit { stop() }

  /// Closes all connections and waits for the threads.
  func stop() {
    for daemon in daemons { MHD_stop_daemon(daemon) }
    daemons = []
  }

  /// Closes connections whose request takes too long, however steadily its bytes drip in.
  func dropSlowClients() { context.dropSlowClients() }
}

/// What the threads of the daemons share.
private final class WebContext: Sendable {
  let limits: WebLimits
  let answer: @Sendable (WebRequest) -> WebReply
  /// By socket: when the connection began, or its last request ended.
  private let began = Mutex<[Int32: Double]>([:])

  init(limits: WebLimits, answer: @escaping @Sendable (WebRequest) -> WebReply) {
    self.limits = limits
    self.answer = answer
  }

  func note(_ socket: Int32, isOpen: Bool) {
    began.withLock { $0[socket] = isOpen ? MonotonicClock.seconds : nil }
  }

  func dropSlowClients() {
    let now = MonotonicClock.seconds
    // Under the lock: a socket's number isn't used anew before its end has been noted.
    began.withLock { table in
      for (socket, time) in table where now - time > limits.requestSeconds {
        shutdown(socket, Int32(SHUT_RDWR))
      }
    }
  }

  static func of(_ pointer: UnsafeMutableRawPointer?) -> WebContext? {
    pointer.map { Unmanaged<WebContext>.fromOpaque($0).takeUnretainedValue() }
  }
}

enum MonotonicClock {
  /// Seconds since some moment.
  static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

private func noteConnection(
  _ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
  _ own: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ change: MHD_ConnectionNotificationCode
) {
  let isOpen = change.rawValue == 0
  WebContext.of(closure)?.note(dsv3_web_socket(connection), isOpen: isOpen)
}

private func noteRequestEnd(
  _ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
  _ own: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ end: MHD_RequestTerminationCode
) {
  WebContext.of(closure)?.note(dsv3_web_socket(connection), isOpen: true)
}

/// Called when a request's head is there, and again when it has no more to come.
private func answerRequest(
  _ closure: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
  _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?,
  _ upload: UnsafePointer<CChar>?, _ uploadSize: UnsafeMutablePointer<Int>?,
  _ own: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let context = WebContext.of(closure), let connection, let url, let method, let own else {
    return .NO
  }
  if own.pointee == nil {
    own.pointee = closure
    // A body is refused before it comes.
    guard announcesBody(connection) else { return .YES }
    var reply = WebReply(WebRefusal(413, "no request here has a body"))
    reply.headers.append(WebRequest.Field(name: "Connection", value: "close"))
    return send(reply, connection)
  }
  var request = WebRequest(method: String(cString: method), rawPath: String(cString: url))
  request.headers = fields { dsv3_web_headers(connection, $0, $1) }
  request.arguments = fields { dsv3_web_arguments(connection, $0, $1) }
  return send(context.answer(request), connection)
}

private func announcesBody(_ connection: OpaquePointer) -> Bool {
  if dsv3_web_header(connection, "Transfer-Encoding") != nil {
    return true
  }
  let length = dsv3_web_header(connection, "Content-Length")
  return length.map { strcmp($0, "0") != 0 } ?? false
}

private func fields(
  _ each: (MHD_KeyValueIterator, UnsafeMutableRawPointer) -> Void
) -> [WebRequest.Field] {
  var fields: [WebRequest.Field] = []
  withUnsafeMutablePointer(to: &fields) { pointer in
    each(
      { list, _, key, value in
        list?.assumingMemoryBound(to: [WebRequest.Field].self).pointee.append(
          WebRequest.Field(
            name: key.map { String(cString: $0) } ?? "", value: value.map { String(cString: $0) }))
        return .YES
      }, UnsafeMutableRawPointer(pointer))
  }
  return fields
}

private func send(_ reply: WebReply, _ connection: OpaquePointer) -> MHD_Result {
  var body = reply.body
  let response = body.withUnsafeMutableBytes {
    MHD_create_response_from_buffer($0.count, $0.baseAddress, .RESPMEM_MUST_COPY)
  }
  guard let response else { return .NO }
  defer { MHD_destroy_response(response) }
  for (name, value) in reply.allHeaders { _ = MHD_add_response_header(response, name, value) }
  return MHD_queue_response(connection, UInt32(reply.status), response)
}
