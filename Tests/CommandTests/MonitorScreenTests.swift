// The monitor on a terminal of its own, a pseudo-terminal: it draws, takes keys, follows the size,
// and leaves the terminal as it was, however it ends.

import Coordinator
import Glibc
import Testing

/// dsv3 on a pseudo-terminal; killed with this value if it still runs.
private final class ScreenSession {
  private let terminal: Int32
  /// The child's end, kept open so that what it wrote last can be read.
  private let slave: Int32
  private let name: String
  private var child: pid_t = 0
  private(set) var shown = ""

  init(_ arguments: [String], columns: Int, rows: Int) throws {
    // The headers show it under _XOPEN_SOURCE only.
    typealias OpenTerminal =
      @convention(c) (
        UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<CChar>,
        UnsafeRawPointer?, UnsafeRawPointer?
      ) -> Int32
    let openTerminal = unsafeBitCast(try #require(dlsym(nil, "openpty")), to: OpenTerminal.self)
    var (ours, theirs): (Int32, Int32) = (-1, -1)
    var path = [CChar](repeating: 0, count: 256)
    try #require(openTerminal(&ours, &theirs, &path, nil, nil) == 0)
    (terminal, slave) = (ours, theirs)
    name = String(decoding: path.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    try resize(columns: columns, rows: rows)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor: Int32 in 0...2 {
      posix_spawn_file_actions_addopen(&actions, descriptor, name, O_RDWR, 0)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // A session of its own (POSIX_SPAWN_SETSID), whose terminal becomes the first that it opens,
    // and no signal blocked, as they are on threads of tests.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | 0x80)
    var environment = ["TERM=xterm-256color", "PATH=/usr/bin:/bin"]
    if let value = getenv("LD_LIBRARY_PATH") {
      environment.append("LD_LIBRARY_PATH=" + String(cString: value))
    }
    typealias Words = [UnsafeMutablePointer<CChar>?]
    let copies: Words = ([Binary.path] + arguments).map { strdup($0) } + [nil]
    let variables: Words = environment.map { strdup($0) } + [nil]
    defer { for copy in copies + variables { free(copy) } }
    let code = posix_spawn(&child, Binary.path, &actions, &attributes, copies, variables)
    try #require(code == 0)
  }

  deinit {
    if child > 0 {
      kill(child, SIGKILL)
      waitpid(child, nil, 0)
    }
    close(terminal)
    close(slave)
  }

  /// How the terminal treats what is typed.
  var modes: tcflag_t {
    var settings = termios()
    tcgetattr(terminal, &settings)
    return settings.c_lflag & tcflag_t(ICANON | ECHO | ISIG)
  }

  func resize(columns: Int, rows: Int) throws {
    let call = ProgramCall("stty", ["-F", name, "columns", "\(columns)", "rows", "\(rows)"])
    _ = try Subprocess(starting: call, output: { _ in }, error: { _ in }).wait()
  }

  func type(_ text: String) { write(terminal, text, text.utf8.count) }

  func signal(_ number: Int32) { kill(child, number) }

  /// Reads until `text` was shown since the last call; false after 5 s without.
  func waits(for text: String) -> Bool {
    let start = shown.utf8.count
    for _ in 0..<250 {
      var input = pollfd(fd: terminal, events: Int16(POLLIN), revents: 0)
      if poll(&input, 1, 20) > 0 {
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        let count = read(terminal, &buffer, buffer.count)
        if count > 0 { bytes += buffer[..<count] }
      }
      shown = String(decoding: bytes, as: UTF8.self)
      if String(decoding: bytes.dropFirst(start), as: UTF8.self).contains(text) { return true }
    }
    return false
  }
  private var bytes: [UInt8] = []

  /// The exit code, or 128 + the signal.
  func end() -> Int32 {
    var status: Int32 = 0
    for _ in 0..<250 {
      if waitpid(child, &status, WNOHANG) == child {
        child = 0
        break
      }
      usleep(20_000)
    }
    guard child == 0 else { return -1 }
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }
}

@Suite struct MonitorScreenTests {
  private static let leaving = "\u{1B}[?25h\u{1B}[0m\u{1B}[?1049l"

  @Test func keysAndSizesAreFollowedAndTheTerminalIsLeftAsItWas() throws {
    let runs = try RunsOnDisk()
    try runs.add("night", losses: [5, 4, 3.5])
    let screen = try ScreenSession(
      ["monitor", "--runs", runs.path, "--interval", "0.1"], columns: 80, rows: 24)
    let before = screen.modes
    #expect(screen.waits(for: "1 overview"))
    #expect(screen.shown.hasPrefix("\u{1B}[?1049h") && screen.shown.contains("✓ finished"))
    #expect(screen.modes & tcflag_t(ICANON | ECHO) == 0 && screen.modes & tcflag_t(ISIG) != 0)
    screen.type("4")
    #expect(screen.waits(for: "nothing has happened yet"))
    screen.type("\t")
    #expect(screen.waits(for: "the next page, the one before"))
    screen.type("1")
    try screen.resize(columns: 40, rows: 10)
    // The footer is on the tenth line now.
    #expect(screen.waits(for: "\u{1B}[10;1H"))
    screen.type("q")
    #expect(screen.waits(for: Self.leaving))
    #expect(screen.end() == 0 && screen.modes == before)
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGSEGV, SIGABRT])
  func signalsLeaveTheTerminalAsItWas(_ signal: Int32) throws {
    let runs = try RunsOnDisk()
    try runs.add("night", losses: [5, 4, 3.5])
    let screen = try ScreenSession(["monitor", "--runs", runs.path], columns: 80, rows: 24)
    let before = screen.modes
    #expect(screen.waits(for: "1 overview"))
    screen.signal(signal)
    #expect(screen.waits(for: Self.leaving))
    let isCrash = signal == SIGSEGV || signal == SIGABRT
    #expect(screen.end() == (isCrash ? 128 + signal : 0))
    #expect(screen.modes == before)
  }
}
