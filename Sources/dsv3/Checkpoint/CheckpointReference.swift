// Which checkpoint a user means: a directory, a run's newest, or one of its steps.

import Checkpoints
import Glibc
import ModelSpec
import RunConfiguration
import RunFiles

let checkpointCommand = Command(
  "dsv3 checkpoint",
  summary: "shows, checks and exports the checkpoints of runs",
  subcommands: [checkpointInspectCommand, checkpointVerifyCommand, checkpointExportCommand])

/// What RUN[@STEP] or DIR names.
struct CheckpointReference {
  /// The checkpoint's directory.
  let path: String
  /// The run's folder of checkpoints, where a run was named.
  let folder: CheckpointFolder?
  /// Whether one checkpoint was named, not a run.
  let isExact: Bool

  /// - Parameter text: nil means the newest checkpoint of the newest run.
  init(_ text: String?, runs: String?) throws {
    if let text,
      access("\(text)/\(CheckpointState.file)", F_OK) == 0
        || access("\(text)/\(CheckpointManifest.file)", F_OK) == 0
    {
      path = text
      folder = nil
      isExact = true
      return
    }
    let parts = Self.split(text)
    let run = try RunFolder(path: runs ?? "runs").find(parts.run)
    let folder = CheckpointFolder(path: run.checkpoints)
    self.folder = folder
    guard let step = parts.step else {
      guard let steps = try? folder.steps(), !steps.isEmpty else {
        throw CommandError(message: "\(run.path): the run has no checkpoint yet", code: 66)
      }
      path = try folder.newest()
      isExact = false
      return
    }
    let known = (try? folder.steps()) ?? []
    guard known.contains(step) else {
      let list = known.map { "\($0)" }.joined(separator: ", ")
      throw CommandError(
        message: "\(run.path): there is no checkpoint of step \(step); there "
          + (known.isEmpty ? "is none" : "are those of \(list)"), code: 66)
    }
    path = folder.checkpoint(step: step)
    isExact = true
  }

  /// `NAME@STEP`; what stands behind a last @ and is no number belongs to the name.
  private static func split(_ text: String?) -> (run: String?, step: Int?) {
    guard let text, let at = text.lastIndex(of: "@"),
      let step = Int(text[text.index(after: at)...])
    else { return (text, nil) }
    let run = String(text[..<at])
    return (run.isEmpty ? nil : run, step)
  }
}

extension ParsedOptions {
  /// The checkpoint that the only operand names, or the newest.
  func checkpoint() throws -> CheckpointReference {
    if operands.count > 1 {
      throw usageError("unexpected argument '\(printable(operands[1]))'")
    }
    return try CheckpointReference(operands.first, runs: value("runs"))
  }
}
