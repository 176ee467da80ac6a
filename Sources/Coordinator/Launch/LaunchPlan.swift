// What a launch does, checked as far as it can be without starting anything; and the run directory
// that it does it in.

internal import Glibc
package import RunConfiguration
package import RunFiles

package struct LaunchPlan: Sendable {
  package var configuration: RunConfiguration
  /// With an absolute path.
  package var directory: RunDirectory
  package var line: JobLine
  /// Whether it goes on with a run that is there.
  package var isResumed: Bool
  /// The worker's options that say how the configuration differs from the run's config.yaml.
  package var changes: [String] = []
  package var isQuiet = false
  /// The file of dsv3, by way of which mpirun is started; nil starts it directly.
  package var launcher: String?

  package init(
    configuration: RunConfiguration, directory: RunDirectory, line: JobLine, isResumed: Bool
  ) {
    self.configuration = configuration
    self.directory = directory
    self.line = line
    self.isResumed = isResumed
  }

  private var configurationFile: String { directory.path + "/config.yaml" }

  /// Steps done in the newest checkpoint, 0 without one.
  package var newestCheckpoint: Int {
    RunFolder.names(in: directory.checkpoints).compactMap { name in
      name.hasPrefix("step-") ? Int(name.dropFirst("step-".count)) : nil
    }.max() ?? 0
  }

  /// The worker's arguments now: to go on from a checkpoint if there is one, else to begin.
  package var arguments: [String] {
    let start =
      newestCheckpoint > 0
      ? ["--resume", "--run-dir", directory.path] + changes
      : ["--config", configurationFile, "--run-dir", directory.path]
    return start + (isQuiet ? ["--quiet"] : [])
  }

  /// Makes the directory of a new run, or checks that of one to go on with, takes its lock, and
  /// writes config.yaml where the worker hasn't yet.
  /// - Throws: `LaunchError`: 64 when a new run's directory has something in it, 75 when another
  ///   coordinator drives the run; `RunFileError`.
  package func open() throws -> RunLock {
    if !isResumed {
      let names = RunFolder.names(in: directory.path)
      guard names.isEmpty else { throw occupied(names) }
      try directory.create()
    }
    let lock = try RunLock(directory)
    // Two that began at the same moment both found it empty.
    if !isResumed, access(directory.record, F_OK) == 0 { throw occupied([]) }
    if newestCheckpoint == 0 {
      try directory.create()
      try RunFile.replace(configurationFile, with: Array(configuration.resolvedYAML().utf8))
    }
    return lock
  }

  /// Ends what is left of an earlier job of the run.
  /// - Parameter earlier: what run.json says; a run without one is somebody's own.
  /// - Throws: `LaunchError` when it isn't this program's to end, or can't be ended.
  package static func endLeftovers(
    of directory: RunDirectory, earlier: RunRecord?, say: (String) -> Void
  ) throws(LaunchError) {
    let leftover = LeftoverJob(directory)
    guard let first = leftover.processes().first else { return }
    guard earlier != nil else {
      throw LaunchError(
        "\(directory.path) is being trained by an mpirun of its own (process \(first.pid)); end "
          + "that first", code: 75)
    }
    let count = try leftover.end()
    say("ended \(count) \(count == 1 ? "process" : "processes") of an earlier job of this run")
  }

  private func occupied(_ names: [String]) -> LaunchError {
    let path = directory.path
    guard !directory.isRun else {
      let step = LastStep(path: directory.metrics).map { " of \($0.step) steps" } ?? ""
      return LaunchError(
        "\(path) has a run\(step) already: 'dsv3 launch --resume \(path)' goes on with it; for a "
          + "new one choose another --run-dir", code: 64)
    }
    let list = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
    return LaunchError("\(path) holds something else (\(list)); choose another --run-dir", code: 64)
  }
}
