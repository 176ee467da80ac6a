// What mpirun (Open MPI 4 and 5) says on standard error about the first rank that went wrong. Its
// blocks stand between lines of dashes.

package struct MPIReport: Equatable, Sendable {
  package var rank: Int?
  package var host: String?
  package var signal: Int32?
  package var code: Int32?
  /// mpirun's own lines, without the dashes.
  package private(set) var notes: [String] = []
  /// All the others: the ranks' own.
  package private(set) var words: [String] = []

  package init(_ lines: [String]) {
    var isInside = false
    for line in lines {
      if line.hasPrefix("----------") {
        isInside.toggle()
      } else if isInside || line.hasPrefix("mpirun") {
        if !line.isEmpty { notes.append(line) }
      } else if !line.isEmpty {
        words.append(line)
      }
    }
    read(notes.joined(separator: " "))
  }

  /// "mpirun noticed that process rank 2 with PID 71 on node vm exited on signal 9 (Killed)." or
  /// "mpirun detected that one or more processes exited with non-zero status … Process name:
  /// [[4711,1],3] Exit code: 70" or "MPI_ABORT was invoked on rank 3 … with errorcode 70."
  private mutating func read(_ text: String) {
    let words = text.split { " ,;()".contains($0) }.map { word in
      word.hasSuffix(".") ? String(word.dropLast()) : String(word)
    }
    func number(after names: String..., in words: [String]) -> Int? {
      guard words.count > names.count else { return nil }
      for start in 0..<(words.count - names.count)
      where Array(words[start..<(start + names.count)]) == names {
        return Int(words[start + names.count])
      }
      return nil
    }
    rank = number(after: "process", "rank", in: words) ?? number(after: "on", "rank", in: words)
    if let place = words.firstIndex(of: "node"), rank != nil, place + 1 < words.count {
      host = words[place + 1]
    }
    signal = number(after: "on", "signal", in: words).map(Int32.init)
    code =
      (number(after: "Exit", "code:", in: words) ?? number(after: "errorcode", in: words))
      .map(Int32.init)
    if rank == nil, let name = text.firstRange(of: "Process name: [[") {
      // [[job,1],rank]
      let tail = text[name.upperBound...]
      if let start = tail.firstRange(of: "],"),
        let end = tail[start.upperBound...].firstIndex(of: "]")
      {
        rank = Int(tail[start.upperBound..<end])
      }
    }
  }
}
