// A client that says anything, byte for byte, as hostile ones do.

import Glibc
import JSON
import Testing

struct RawReply {
  let status: Int
  /// Names in small letters.
  let headers: [String: String]
  let body: [UInt8]

  /// nil when it isn't a reply of HTTP/1.1.
  init?(_ bytes: [UInt8]) {
    guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
    let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
      return nil
    }
    self.status = status
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let name = line.prefix { $0 != ":" }
      headers[name.lowercased()] = String(line.dropFirst(name.count + 1).drop { $0 == " " })
    }
    self.headers = headers
    body = Array(bytes[end.upperBound...])
  }

  var text: String { String(decoding: body, as: UTF8.self) }

  func json() throws -> [String: JSONValue] {
    guard case .object(let members) = try JSONValue(parsing: body) else { return [:] }
    return members
  }
}

struct RawClient {
  let port: Int

  /// An open connection to 127.0.0.1, or to ::1.
  func connect(isIPv6: Bool = false) throws -> Int32 {
    let file = socket(isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let port = in_port_t(truncatingIfNeeded: port).bigEndian
    var result: Int32 = -1
    if isIPv6 {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port
      address.sin6_addr = in6addr_loopback
      result = withUnsafeBytes(of: &address) {
        Glibc.connect(
          file, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
      }
    } else {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port
      address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
      result = withUnsafeBytes(of: &address) {
        Glibc.connect(
          file, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
      }
    }
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    guard result == 0 else {
      close(file)
      throw ClientError.noConnection
    }
    return file
  }

  enum ClientError: Error { case noConnection, noReply }

  @discardableResult
  static func send(_ bytes: [UInt8], to file: Int32) -> Bool {
    Glibc.send(file, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }

  /// All that comes until the server closes; nil when it doesn't within ten seconds.
  static func rest(of file: Int32) -> [UInt8]? {
    var all: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = recv(file, &chunk, chunk.count, 0)
      if count == 0 || count < 0 && errno == ECONNRESET { return all }
      guard count > 0 else { return nil }
      all += chunk[..<count]
    }
  }

  /// Sends bytes as they are and reads until the server closes.
  func raw(_ bytes: [UInt8]) throws -> RawReply? {
    let file = try connect()
    defer { close(file) }
    Self.send(bytes, to: file)
    return try RawReply(#require(Self.rest(of: file)))
  }

  func get(
    _ path: String, host: String? = nil, method: String = "GET", headers: [String] = []
  ) throws -> RawReply {
    let lines =
      ["\(method) \(path) HTTP/1.1", "Host: \(host ?? "localhost:\(port)")", "Connection: close"]
      + headers
    let text = lines.joined(separator: "\r\n") + "\r\n\r\n"
    return try #require(try raw(Array(text.utf8)))
  }
}
