// The terminal as a screen to draw on: the alternate screen, keys as they are pressed, and the way
// back, which is taken however this process ends, but for SIGKILL.

import CSystem
import Coordinator
import Glibc
import Synchronization

enum FullScreen {
  /// What signals have asked for.
  struct Requests: OptionSet {
    let rawValue: UInt32
    static let resized = Requests(rawValue: 1)
    static let interrupted = Requests(rawValue: 2)
    static let terminated = Requests(rawValue: 4)
    static let stopped = Requests(rawValue: 8)
    static let continued = Requests(rawValue: 16)
  }

  private static let requests = Atomic<UInt32>(0)
  private static let isOn = Atomic<Bool>(false)
  private static let hasKeys = Atomic<Bool>(false)
  // Written before the signals are listened to, and only read after.
  nonisolated(unsafe) private static let usual = UnsafeMutablePointer<termios>.allocate(capacity: 1)
  nonisolated(unsafe) private static let wayBack = bytes(
    "\u{1B}[?2026l\u{1B}[?7h\u{1B}[?25h\u{1B}[0m\u{1B}[?1049l")

  /// Whether there is a terminal to draw on.
  static var isPossible: Bool {
    isatty(STDOUT_FILENO) == 1 && (getenv("TERM").map { String(cString: $0) } ?? "") != "dumb"
  }

  static var size: MonitorFrame.Size {
    let (columns, rows) = (
      Int(dsv3_terminal_columns(STDOUT_FILENO)), Int(dsv3_terminal_rows(STDOUT_FILENO))
    )
    return MonitorFrame.Size(columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24)
  }

  /// Remembers how the terminal was and listens to signals; once, before `enter`.
  static func prepare() {
    hasKeys.store(
      isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, usual) == 0, ordering: .relaxed)
    _ = wayBack.count
    _ = requests.load(ordering: .relaxed)
    for signal in [SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT] {
      listen(signal) { number in
        let request: Requests =
          switch number {
          case SIGWINCH: .resized
          case SIGINT, SIGQUIT: .interrupted
          case SIGTSTP: .stopped
          case SIGCONT: .continued
          default: .terminated
          }
        FullScreen.requests.bitwiseOr(request.rawValue, ordering: .relaxed)
      }
    }
    // A trap must not leave a terminal behind that shows nothing of what is typed.
    for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP] {
      listen(signal, flags: Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_NODEFER) { number in
        FullScreen.leave()
        raise(number)
      }
    }
    atexit { FullScreen.leave() }
  }

  /// Shows the screen; keys come unechoed and at once, but signals still by ctrl-C and ctrl-Z.
  static func enter() {
    if hasKeys.load(ordering: .relaxed) {
      var raw = usual.pointee
      raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
      tcsetattr(STDIN_FILENO, TCSANOW, &raw)
    }
    isOn.store(true, ordering: .relaxed)
    write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J")
  }

  /// Makes the terminal as it was. May be called by signal handlers, and twice.
  static func leave() {
    guard isOn.exchange(false, ordering: .relaxed) else { return }
    _ = Glibc.write(STDOUT_FILENO, wayBack.baseAddress, wayBack.count)
    if hasKeys.load(ordering: .relaxed) { tcsetattr(STDIN_FILENO, TCSANOW, usual) }
  }

  /// Stops this process as ctrl-Z does, with the terminal as it was; returns when it goes on.
  static func stop() {
    leave()
    listen(SIGTSTP, handler: SIG_DFL)
    raise(SIGTSTP)
    listen(SIGTSTP) { _ in
      FullScreen.requests.bitwiseOr(Requests.stopped.rawValue, ordering: .relaxed)
    }
  }

  /// What was asked for since the last call.
  static func takeRequests() -> Requests {
    Requests(rawValue: requests.exchange(0, ordering: .relaxed))
  }

  /// Waits for keys or signals.
  /// - Returns: what was typed; nil when the terminal has gone.
  static func keys(within milliseconds: Int32) -> [Key]? {
    guard hasKeys.load(ordering: .relaxed) else {
      poll(nil, 0, milliseconds)
      return []
    }
    var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    guard poll(&input, 1, milliseconds) > 0 else { return [] }
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = read(STDIN_FILENO, &buffer, buffer.count)
    if count < 0 { return errno == EINTR || errno == EAGAIN ? [] : nil }
    return count == 0 ? nil : Key.decode(Array(buffer[..<count]))
  }

  /// Writes all of `text`; gives up when the terminal has gone.
  static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count >= 0 {
        bytes.removeFirst(count)
      } else if errno == EAGAIN {
        var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        poll(&output, 1, 100)
      } else if errno != EINTR {
        return
      }
    }
  }

  private static func listen(
    _ signal: Int32, flags: Int32 = 0, handler: (@convention(c) (Int32) -> Void)?
  ) {
    var action = sigaction()
    action.sa_flags = flags
    action.__sigaction_handler.sa_handler = handler
    sigaction(signal, &action, nil)
  }

  private static func bytes(_ text: String) -> UnsafeBufferPointer<UInt8> {
    let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
    _ = memory.initialize(from: text.utf8)
    return UnsafeBufferPointer(memory)
  }
}

/// Draws frames: of each only the lines that are others than before.
struct ScreenWriter {
  private let coloured: Bool
  private var shown: [TextLine] = []

  init(coloured: Bool) { self.coloured = coloured }

  /// Whether nothing is known of the screen.
  var isEmpty: Bool { shown.isEmpty }

  /// What is on the screen is no longer known.
  mutating func forget() { shown = [] }

  mutating func draw(_ lines: [TextLine], columns: Int) {
    guard lines != shown else { return }
    // A terminal that knows the mode shows all of it at once.
    var text = "\u{1B}[?2026h"
    let isAnew = shown.count != lines.count
    if isAnew { text += "\u{1B}[2J" }
    for (row, line) in lines.enumerated() where isAnew || line != shown[row] {
      text += "\u{1B}[\(row + 1);1H" + (coloured ? line.coloured : line.plain)
      // Behind a full line the cursor is still on its last column.
      if line.width < columns { text += "\u{1B}[K" }
    }
    FullScreen.write(text + "\u{1B}[?2026l")
    shown = lines
  }
}
