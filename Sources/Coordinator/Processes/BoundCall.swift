// A child that doesn't outlive its parent, even one that is killed outright: dsv3 starts itself
// under a hidden word, asks the kernel for a signal at the parent's death, and becomes the
// program. The request stays across exec, and process number and starting time stay, too.

internal import CSystem
internal import Glibc

package enum BoundCall {
  /// `dsv3 --bound-to PARENT FILE NAME ARGUMENT...`
  private static let word = "--bound-to"

  /// The call that starts `call` by way of `dsv3`, the file of this program or of one that begins
  /// with `performIfAsked`.
  /// - Throws: `SubprocessError.notFound` when there is no such program.
  static func wrap(_ call: ProgramCall, by dsv3: String) throws(SubprocessError) -> ProgramCall {
    let file = try call.located()
    return ProgramCall(
      dsv3, [word, "\(getpid())", file, call.program] + call.arguments,
      environment: call.environment, directory: call.directory)
  }

  /// Becomes the program that the command line's arguments name in this way, if they do.
  package static func performIfAsked(_ arguments: [String]) {
    guard arguments.count >= 5, arguments[1] == word, let parent = Int32(arguments[2]) else {
      return
    }
    // mpirun ends its ranks on SIGTERM, those on other hosts too; SIGKILL would leave them alone.
    _ = dsv3_signal_when_parent_dies(SIGTERM)
    // It may have died before it was asked.
    guard getppid() == parent else { exit(128 + SIGTERM) }
    let copies: [UnsafeMutablePointer<CChar>?] = arguments[4...].map { strdup($0) } + [nil]
    execv(arguments[3], copies)
    let reason = String(cString: strerror(errno))
    fputs("dsv3: '\(arguments[3])' could not be started: \(reason)\n", dsv3_stderr())
    exit(71)
  }
}
