// The folder that runs are in, and which run a user means: a directory, or a name in the folder, or
// the newest when none is said.

internal import CSystem
internal import Glibc

/// There is no such run.
package struct RunNotFound: Error, Equatable, CustomStringConvertible {
  package let description: String
  package var exitCode: Int32 { 66 }
}

package struct RunFolder: Sendable {
  package let path: String

  package init(path: String = "runs") { self.path = path }

  /// Directories in the folder that are runs (they have a config.yaml or run.json), by when they
  /// were last written to, the newest first; equal times by name.
  package func runs() -> [RunDirectory] {
    let found = Self.names(in: path).map { RunDirectory(path: "\(path)/\($0)") }
      .filter(\.isRun).map { (run: $0, time: $0.lastWritten) }
    return found.sorted {
      $0.time != $1.time ? $0.time > $1.time : $0.run.path > $1.run.path
    }.map(\.run)
  }

  /// The run that is meant by `reference`: a name in this folder or a path; nil means the newest.
  package func find(_ reference: String?) throws(RunNotFound) -> RunDirectory {
    if let reference {
      let trimmed =
        reference.count > 1 && reference.hasSuffix("/")
        ? String(reference.dropLast()) : reference
      let candidates = trimmed.contains("/") ? [trimmed] : ["\(path)/\(trimmed)", trimmed]
      if let run = candidates.map(RunDirectory.init(path:)).first(where: \.isRun) { return run }
    }
    let known = runs()
    if reference == nil, let newest = known.first { return newest }
    let names = known.prefix(5).map(\.name).joined(separator: ", ")
    let hint =
      known.isEmpty
      ? "'\(path)' has none"
      : "'\(path)' has \(names)"
        + (known.count > 5 ? " and \(known.count - 5) more" : "")
    throw RunNotFound(
      description: reference.map { "there is no run '\($0)'; \(hint)" }
        ?? "there is no run yet: \(hint); 'dsv3 launch' starts one")
  }

  /// Names in a directory, sorted; none when there is no such directory.
  package static func names(in path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

extension RunDirectory {
  /// The last part of its path.
  package var name: String { String(path.split(separator: "/").last ?? "") }

  /// Whether a run has been started here.
  package var isRun: Bool { access("\(path)/config.yaml", F_OK) == 0 || access(record, F_OK) == 0 }

  /// When its record, metrics or configuration were last written, in seconds since 1970.
  package var lastWritten: Double {
    [record, metrics, "\(path)/config.yaml"].reduce(0) { latest, file in
      var status = stat()
      guard stat(file, &status) == 0 else { return latest }
      return max(
        latest, Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9)
    }
  }
}
