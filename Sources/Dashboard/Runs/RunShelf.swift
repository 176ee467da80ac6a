// The runs of the folder that somebody has asked about. A name in a request is compared with the
// folder's listing and never made into a path.

internal import Coordinator
internal import Glibc
internal import RunFiles
internal import Synchronization

final class RunShelf: Sendable {
  private let folder: RunFolder
  private let lookInterval: Double
  private let state = Mutex(State())

  /// Runs that are listed, the newest first.
  static let mostListed = 100

  private struct State {
    var listed: [RunDirectory] = []
    var omitted = 0
    var files: ContainedFiles?
    var looked = -Double.infinity
    var readers: [String: RunReader] = [:]
  }

  /// - Parameter lookInterval: seconds for which what was read is taken for new.
  init(folder: String, lookInterval: Double) {
    self.folder = RunFolder(path: folder)
    self.lookInterval = lookInterval
  }

  /// Calls `body` with a run as it is now.
  func withRun(
    _ name: String, _ body: (inout RunReader) throws(WebRefusal) -> WebReply
  ) throws(WebRefusal) -> WebReply {
    try state.withLock { (state) throws(WebRefusal) -> WebReply in
      let files = list(&state)
      guard let directory = state.listed.first(where: { $0.name == name }) else {
        throw WebRefusal(404, "there is no such run")
      }
      var reader = state.readers.removeValue(forKey: name) ?? RunReader(directory)
      defer { state.readers[name] = reader }
      guard reader.update(in: files, atMostEvery: lookInterval) else {
        throw WebRefusal(404, "there is no such run")
      }
      return try body(&reader)
    }
  }

  /// Calls `body` with the newest runs as they are now, and how many more there are.
  func withRuns(limit: Int, _ body: ([RunReader], Int) -> WebReply) -> WebReply {
    state.withLock { state in
      let files = list(&state)
      let shown = state.listed.prefix(limit)
      var readers: [RunReader] = []
      for directory in shown {
        var reader = state.readers.removeValue(forKey: directory.name) ?? RunReader(directory)
        // What has ended is looked at in case somebody goes on with it.
        let interval = reader.view.state.isActive ? lookInterval : 10 * lookInterval
        if reader.update(in: files, atMostEvery: interval) { readers.append(reader) }
        state.readers[directory.name] = reader
      }
      return body(readers, state.omitted + state.listed.count - shown.count)
    }
  }

  private func list(_ state: inout State) -> ContainedFiles {
    let now = MonotonicClock.seconds
    if let files = state.files, now - state.looked < lookInterval { return files }
    let files = ContainedFiles(root: folder.path)
    let runs = folder.runs().filter { files.contains($0.path) }
    state.listed = Array(runs.prefix(Self.mostListed))
    state.omitted = runs.count - state.listed.count
    state.looked = now
    state.files = files
    let names = Set(state.listed.map(\.name))
    state.readers = state.readers.filter { names.contains($0.key) }
    return files
  }
}
