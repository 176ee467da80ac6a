// What each rank's optimizer knows of the weights, in files by rank: AdamW's moments, the running
// mean. A rank owns runs of a flat buffer that depend on the layout, so the files don't say where
// in a buffer a number was but of which weight it is; any other layout finds it again.

internal import Glibc
package import Model

/// Neighbouring elements of one weight, in one file.
package struct ShardPiece: Hashable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    case firstMoment = "first_moment"
    case secondMoment = "second_moment"
    case mean
  }

  package var kind: Kind
  /// Name of the weight.
  package var weight: String
  /// Elements in row-major order.
  package var elements: Range<Int>

  package init(_ kind: Kind, of weight: String, _ elements: Range<Int>) {
    self.kind = kind
    self.weight = weight
    self.elements = elements
  }

  /// Of its tensor, such as `first_moment:lm_head.weight:0-4096`.
  package var name: String {
    "\(kind.rawValue):\(weight):\(elements.lowerBound)-\(elements.upperBound)"
  }

  /// The piece of that name, nil if it is none.
  init?(name: String) {
    let parts = name.split(separator: ":")
    guard parts.count == 3, let kind = Kind(rawValue: String(parts[0])) else { return nil }
    let ends = parts[2].split(separator: "-").compactMap { Int($0) }
    guard ends.count == 2, ends[0] <= ends[1] else { return nil }
    self.init(kind, of: String(parts[1]), ends[0]..<ends[1])
  }
}

/// The files of one kind in a checkpoint, opened as they are needed.
package final class ShardFiles {
  private struct Key: Hashable {
    var kind: ShardPiece.Kind
    var weight: String
  }
  private struct File {
    var tensors: SafeTensors
    var pieces: [Key: [ShardPiece]] = [:]
  }

  private let directory: String
  private let prefix: String
  /// Paths of files that are not open yet, the next one last.
  private var closed: [String]
  private var open: [File] = []

  /// - Parameters:
  ///   - prefix: of the files' names, `optimizer` or `average`.
  ///   - rank: whose file is looked at first: in the layout of the checkpoint it has all.
  /// - Throws: `CheckpointError` when the directory can't be listed.
  package init(
    directory: String, prefix: String, rank: Int
  ) throws(CheckpointError) {
    self.directory = directory
    self.prefix = prefix
    let own = Self.file(prefix, rank: rank)
    let names = try HuggingFaceDirectory.fileNames(in: directory)
      .filter { $0.hasPrefix(prefix + "-") && $0.hasSuffix(".safetensors") }
    let ordered = names.filter { $0 == own } + names.filter { $0 != own }
    closed = ordered.reversed().map { "\(directory)/\($0)" }
  }

  package static func file(_ prefix: String, rank: Int) -> String {
    "\(prefix)-\(digits(rank)).safetensors"
  }

  /// Five digits, as Hugging Face numbers shards and run directories number ranks.
  package static func digits(_ number: Int) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, 5 - text.count)) + text
  }

  /// Reads elements of a weight, from whichever files have them.
  /// - Throws: `CheckpointError` when a file can't be read, or none has some of the elements.
  package func read(
    _ kind: ShardPiece.Kind, of weight: String, _ elements: Range<Int>,
    into destination: UnsafeMutablePointer<Float>
  ) throws(CheckpointError) {
    let key = Key(kind: kind, weight: weight)
    var missing = elements.isEmpty ? [] : [elements]
    var looked = 0
    while let first = missing.first {
      var isThere = looked < open.count
      if !isThere { isThere = try openNext() }
      guard isThere else {
        throw CheckpointError(
          .badData, file: "\(directory)/\(prefix)-*.safetensors",
          message: "none has the \(kind.rawValue) of elements \(first) of \(weight)")
      }
      for piece in open[looked].pieces[key] ?? [] {
        let start = piece.elements.lowerBound
        var rest: [Range<Int>] = []
        for range in missing {
          let found = range.clamped(to: piece.elements)
          if found.isEmpty {
            rest.append(range)
            continue
          }
          try open[looked].tensors.copy(
            piece.name, elements: found.lowerBound - start..<found.upperBound - start,
            into: destination + (found.lowerBound - elements.lowerBound))
          rest += [range.lowerBound..<found.lowerBound, found.upperBound..<range.upperBound]
            .filter { !$0.isEmpty }
        }
        missing = rest
      }
      looked += 1
    }
  }

  /// Whether there was another file.
  private func openNext() throws(CheckpointError) -> Bool {
    guard let path = closed.popLast() else { return false }
    var file = File(tensors: try SafeTensors(path: path))
    for piece in file.tensors.names.compactMap(ShardPiece.init(name:)) {
      file.pieces[Key(kind: piece.kind, weight: piece.weight), default: []].append(piece)
    }
    open.append(file)
    return true
  }
}
