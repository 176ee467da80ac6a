// Listening on this machine alone: 127.0.0.1 and, where there is IPv6, ::1 with the same port,
// since 'localhost' may mean either.

internal import Glibc

enum LoopbackSockets {
  /// Sockets that listen, and their port. Port 0 takes any that is free for both.
  static func listen(port: Int) throws(DashboardError) -> (sockets: [Int32], port: Int) {
    var failure = Failure(port: port, code: 0)
    for _ in 0..<(port == 0 ? 20 : 1) {
      do {
        return try listening(port: port)
      } catch {
        failure = error
      }
    }
    throw .cannotListen(port: failure.port, reason: String(cString: strerror(failure.code)))
  }

  private static func listening(
    port: Int
  ) throws(Failure) -> (sockets: [Int32], port: Int) {
    let first = try bound(AF_INET, port: port)
    do {
      return ([first.socket, try bound(AF_INET6, port: first.port).socket], first.port)
    } catch {
      if hasNoAddress(error.code) { return ([first.socket], first.port) }
      close(first.socket)
      throw error
    }
  }

  private struct Failure: Error {
    var port: Int
    var code: Int32
  }

  private static func hasNoAddress(_ code: Int32) -> Bool {
    [EAFNOSUPPORT, EADDRNOTAVAIL, EPROTONOSUPPORT].contains(code)
  }

  private static func bound(
    _ family: Int32, port: Int
  ) throws(Failure) -> (socket: Int32, port: Int) {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let socket = Glibc.socket(family, kind, 0)
    guard socket >= 0 else { throw Failure(port: port, code: errno) }
    var yes: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, size)
    if family == AF_INET6 {
      setsockopt(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, size)
    }
    guard bind(socket, family, port), Glibc.listen(socket, 256) == 0 else {
      let failure = Failure(port: port, code: errno)
      close(socket)
      throw failure
    }
    return (socket, ownPort(of: socket))
  }

  private static func bind(_ socket: Int32, _ family: Int32, _ port: Int) -> Bool {
    let port = in_port_t(truncatingIfNeeded: port).bigEndian
    if family == AF_INET {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port
      address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
      return withBytes(of: &address) { Glibc.bind(socket, $0, $1) == 0 }
    }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port
    address.sin6_addr = in6addr_loopback
    return withBytes(of: &address) { Glibc.bind(socket, $0, $1) == 0 }
  }

  private static func ownPort(of socket: Int32) -> Int {
    // The port stands at the same place for both families.
    var address = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    _ = withBytes(of: &address) { pointer, _ in getsockname(socket, pointer, &length) == 0 }
    return Int(UInt16(bigEndian: address.sin6_port))
  }

  private static func withBytes<Address>(
    of address: inout Address, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Bool
  ) -> Bool {
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<Address>.size))
      }
    }
  }
}
