// `dsv3 checkpoint verify`: whether the files are those that were written.

import Checkpoints
import JSON
import Model
import RunConfiguration
import RunFiles

let checkpointVerifyCommand = Command(
  "dsv3 checkpoint verify",
  usage: "[OPTION]... [RUN[@STEP]|DIR]",
  summary: "compares every file of a checkpoint with its manifest",
  help: """
    Reads every file and compares size and checksum (XXH3-64) with the manifest's: of all
    checkpoints of a run, of that of a step, or of the one in a directory. Exits with 65 when one is
    damaged, and names each damage.
    """,
  options: [
    CommandOption("json", help: "as JSON"), runsOption,
  ],
  run: verify)

private func verify(_ options: ParsedOptions) throws {
  let reference = try options.checkpoint()
  var paths = [reference.path]
  if !reference.isExact, let folder = reference.folder {
    paths = try folder.steps().map { folder.checkpoint(step: $0) }
  }
  let results = paths.map { path in (path: path, damages: findDamages(in: path)) }
  if options.has("json") {
    let list = results.map { path, damages in
      JSONValue.object([
        "path": .string(path), "whole": .bool(damages.isEmpty),
        "damages": .array(damages.map { .string($0) }),
      ])
    }
    print(String(decoding: JSONValue.array(list).text(), as: UTF8.self), terminator: "")
  } else {
    for (path, damages) in results where damages.isEmpty { print("\(path) is whole") }
  }
  let damages = results.flatMap(\.damages)
  guard !damages.isEmpty else { return }
  throw CommandError(message: damages.joined(separator: "\ndsv3: "), code: 65)
}

/// What is wrong with each file, or with the manifest.
private func findDamages(in path: String) -> [String] {
  let manifest: CheckpointManifest
  do {
    manifest = try CheckpointManifest(directory: path)
  } catch {
    return [error.description]
  }
  return manifest.files.compactMap { file in
    do throws(CheckpointError) {
      try manifest.verify(file, in: path)
      return nil
    } catch {
      return error.description
    }
  }
}
