// Waiting for children: one loop that reads all their pipes, notices their ends, and listens to the
// signals that ask this process to end. Between looks it sleeps in poll(2).

internal import CSystem
internal import Glibc

extension Subprocess {
  /// Milliseconds between looks at children that say nothing, and at those that have closed both
  /// pipes and are about to end.
  private static let (pause, shortPause) = (50, 5)

  /// Waits until output came from one of the children, one of them ended, or `seconds` passed.
  /// Lines go to the children's closures.
  /// - Throws: `SubprocessError.interrupted` when this process was asked to end (`Interruption`);
  ///   then all the children have ended.
  package static func wait(
    for children: [Subprocess], atMost seconds: Double = .infinity
  ) throws(SubprocessError) {
    let deadline = now + seconds
    var left = seconds
    repeat {
      if let signal = Interruption.signal {
        end(children)
        throw .interrupted(signal: signal)
      }
      if pump(children, atMost: left) { return }
      left = deadline - now
    } while left > 0 && children.contains { $0.ending == nil }
  }

  /// Waits for the end.
  /// - Parameter seconds: ends it then.
  /// - Throws: `SubprocessError.timedOut` or `.interrupted`; it has ended then, too.
  package func wait(atMost seconds: Double = .infinity) throws(SubprocessError) -> ProcessEnding {
    let deadline = Self.now + seconds
    while true {
      if let ending { return ending }
      let left = deadline - Self.now
      guard left > 0 else {
        end()
        throw .timedOut(program: call.program, seconds: seconds)
      }
      try Self.wait(for: [self], atMost: left)
    }
  }

  /// Ends children and all in their groups: asks by SIGTERM; after `grace` seconds kills them and
  /// their descendants.
  package static func end(_ children: [Subprocess], grace: Double = 3) {
    for child in children { child.send(SIGTERM) }
    let deadline = now + grace
    while now < deadline && children.contains(where: { $0.ending == nil }) {
      pump(children, atMost: deadline - now)
    }
    for child in children { child.killAll() }
    while children.contains(where: { $0.ending == nil }) { pump(children, atMost: 1) }
  }

  /// Ends this child and all in its group.
  package func end(grace: Double = 3) { Self.end([self], grace: grace) }

  /// One look at all children: takes what they wrote and notices their ends. Sleeps until there is
  /// something, for a moment at most; whether there was.
  @discardableResult
  private static func pump(_ children: [Subprocess], atMost seconds: Double) -> Bool {
    let running = children.filter { $0.ending == nil }
    guard !running.isEmpty else { return false }
    var polled = running.flatMap { child in
      child.pipes.filter(\.isOpen).map {
        pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0)
      }
    }
    let isClosing = running.contains { !$0.pipes.contains(where: \.isOpen) }
    let pause = min(Double(isClosing ? shortPause : Self.pause), max(0, seconds * 1000))
    poll(&polled, nfds_t(polled.count), Int32(pause.rounded(.up)))
    var happened = false
    for child in running {
      for index in child.pipes.indices where child.pipes[index].drain() { happened = true }
      if child.noticeEnd() { happened = true }
    }
    return happened
  }

  /// Whether the child has just been found dead. What is left of its group is killed while its
  /// process number is still its own, and what it had written is read.
  private func noticeEnd() -> Bool {
    var information = siginfo_t()
    guard waitid(P_PID, id_t(id), &information, WEXITED | WNOHANG | WNOWAIT) == 0,
      information.si_signo == SIGCHLD
    else { return false }
    kill(-id, SIGKILL)
    for index in pipes.indices {
      // A process that left the group may hold the pipe; what comes from it is not waited for.
      _ = pipes[index].drain()
      pipes[index].end()
    }
    var status: Int32 = 0
    var usage = rusage()
    while wait4(id, &status, 0, &usage) < 0 && errno == EINTR {}
    processorSeconds = Self.seconds(usage.ru_utime) + Self.seconds(usage.ru_stime)
    ending = ProcessEnding(status: status)
    return true
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1e6
  }

  private static var now: Double { Double(dsv3_nanoseconds()) / 1e9 }
}
