// Requests that nobody means well with: names of other hosts, paths that climb, heads without end,
// bodies, clients that never finish.

import Dashboard
import Glibc
import RunFiles
import Testing

@Suite struct HostileRequestTests {
  @Test(arguments: [
    "evil.example", "evil.example:8265", "localhost.evil.example", "127.0.0.1.evil.example", "",
    "localhost:", "localhost:123456", "localhost:80x", "127.0.0.2", "[::2]", "[::1", "LOCALHOST@x",
    "localhost, evil.example",
  ])
  func anotherHostIsRefused(host: String) throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    for path in ["/", "/api/runs", "/metrics"] {
      let reply = try client.get(path, host: host)
      #expect(reply.status == 403 || reply.status == 400)
      #expect(!reply.text.contains("first"))
    }
  }

  @Test func loopbackIsServedByAllItsNames() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    for host in ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:8265", "[::1]", "[::1]:80"] {
      #expect(try client.get("/api/runs", host: host).status == 200, "\(host)")
    }
    let text = "GET /api/runs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    let twice = try client.raw(Array((text.dropLast() + "Connection: close\r\n\r\n").utf8))
    #expect((twice?.status ?? 400) >= 400)
    if let file = try? client.connect(isIPv6: true) {
      defer { close(file) }
      let request = "GET /api/health HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n"
      RawClient.send(Array(request.utf8), to: file)
      #expect(RawClient.rest(of: file).flatMap(RawReply.init)?.status == 200)
    }
  }

  @Test func noPathLeavesTheFolder() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    let climbs = [
      "..", "../outside", "..%2foutside", "%2e%2e", "%2e%2e%2foutside", "%2E%2E/outside",
      "..%5coutside", "%252e%252e%252foutside", "....//outside", "first/../../outside",
      "first/..%2f..%2foutside", "%c0%ae%c0%ae%c0%afoutside", "first%00", "first%2f..", ".",
      "first%0a", "%", "%2", "%zz", "first/%ff", "/etc/passwd", "first/", "//first", "%2e",
      fixture.outside, "first/config/../config",
    ]
    for climb in climbs {
      for end in ["", "/config", "/metrics", "/timeline"] {
        let reply = try client.get("/api/runs/\(climb)\(end)")
        #expect(reply.status == 400 || reply.status == 404, "\(climb)\(end)")
        #expect(!reply.text.contains(RunsFixture.secret) && !reply.text.contains("66.5"))
      }
      #expect(try client.get("/assets/\(climb)").status >= 400, "\(climb)")
      #expect(try client.get("/\(climb)").status >= 400, "\(climb)")
    }
  }

  @Test func linksThatLeadOutOfTheFolderAreNotFollowed() throws {
    let fixture = try RunsFixture()
    // A run that lies elsewhere, and files of a run that do.
    #expect(symlink(fixture.outside, fixture.path + "/linked") == 0)
    let run = RunDirectory(path: fixture.path + "/second")
    try run.create()
    let config = run.path + "/config.yaml"
    #expect(symlink(fixture.outside + "/config.yaml", config) == 0)
    #expect(symlink(fixture.outside + "/metrics.jsonl", run.metrics) == 0)
    #expect(mkfifo(run.timeline, 0o600) == 0)
    #expect(symlink("first", fixture.path + "/inside") == 0)
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    #expect(try client.get("/api/runs/linked/config").status == 404)
    for part in ["config", "timeline"] {
      #expect(try client.get("/api/runs/second/\(part)").status == 404)
    }
    #expect(try client.get("/api/runs/second").status == 404)
    for path in ["/api/runs", "/metrics"] {
      let reply = try client.get(path)
      #expect(reply.status == 200 && !reply.text.contains("66.5"), "\(path)")
      #expect(!reply.text.contains("\"second\"") && !reply.text.contains("linked"), "\(path)")
    }
    #expect(try client.get("/api/runs/inside/config").status == 200)
  }

  @Test func nothingButReadingIsAnswered() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
      let reply = try client.get("/api/runs", method: method)
      #expect(reply.status == 405 && reply.headers["allow"] == "GET, HEAD", "\(method)")
    }
    let head = try client.get("/api/runs/first", method: "HEAD")
    #expect(head.status == 200 && head.body.isEmpty)
    for announced in ["Content-Length: 1000000000", "Transfer-Encoding: chunked"] {
      #expect(try client.get("/api/runs", headers: [announced]).status == 413, "\(announced)")
      #expect(
        try client.get("/api/runs", method: "POST", headers: [announced]).status == 413)
    }
    for query in [
      "after=x", "after=-1", "after=1&after=2", "points=1", "after=99999999999999999999",
    ] {
      #expect(try client.get("/api/runs/first/metrics?\(query)").status == 400, "\(query)")
    }
  }

  @Test func everyReplyIsClosedToOtherSites() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    for path in ["/", "/assets/app.js", "/api/runs", "/metrics", "/nothing"] {
      let headers = try client.get(path).headers
      let policy = headers["content-security-policy"] ?? ""
      #expect(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"))
      #expect(!policy.contains("unsafe") && headers["x-content-type-options"] == "nosniff")
      #expect(headers["referrer-policy"] == "no-referrer")
      #expect(headers["access-control-allow-origin"] == nil)
    }
  }

  @Test func headsWithoutEndAndNonsenseAreRefused() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture)
    let client = RawClient(port: dashboard.port)
    let long = String(repeating: "a", count: 1 << 20)
    for request in [
      "GET /\(long) HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nX: \(long)\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\n" + String(repeating: "X: y\r\n", count: 1 << 16),
      "\(long)", "GET\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n",
      "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
      "GET /\0api/runs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    ] {
      let file = try client.connect()
      defer { close(file) }
      RawClient.send(Array(request.utf8), to: file)
      shutdown(file, Int32(SHUT_WR))
      let bytes = try #require(RawClient.rest(of: file), "\(request.prefix(30))")
      // A reply that says no, or none.
      #expect(RawReply(bytes).map { $0.status >= 400 } ?? true, "\(request.prefix(30))")
      #expect(!String(decoding: bytes, as: UTF8.self).contains("first"))
    }
    #expect(try client.get("/api/health").status == 200)
  }

  @Test func aClientThatDripsIsDroppedAndOthersAreServed() throws {
    let fixture = try RunsFixture()
    let dashboard = try serving(fixture, requestSeconds: 0.3)
    let client = RawClient(port: dashboard.port)
    let slow = try (0..<20).map { _ in try client.connect() }
    defer { for file in slow { close(file) } }
    for round in 0..<5 {
      for file in slow {
        RawClient.send(Array(round == 0 ? "GET / HTTP/1.1\r\nX: ".utf8 : "y".utf8), to: file)
      }
      usleep(100_000)
      #expect(try client.get("/api/health").status == 200)
    }
    dashboard.dropSlowClients()
    for file in slow {
      let reply = try #require(RawClient.rest(of: file))
      #expect(RawReply(reply).map { $0.status >= 400 } ?? true)
    }
    #expect(try client.get("/api/health").status == 200)
  }
}
