// What can be wrong with the training text. Each case carries the numbers and names that its
// message prints, so that a user knows which file or which key of cluster.yaml to change.

/// The one error type of corpus reading and packing.
package enum DataError: Error, Equatable, Sendable {
  /// `data.sources` lists nothing.
  case noSources
  /// A source, or a file below one, can't be read; `reason` is the system's.
  case unreadable(path: String, reason: String)
  /// A file that `data.sources` names itself is not UTF-8 text; `offset` is the first bad byte.
  case notText(path: String, offset: Int)
  /// The sources hold no text at all; `skipped` files and links were passed over.
  case empty(sources: [String], skipped: Int)
  /// `part` ("training" or "held-out") holds fewer tokens than its windows need.
  case tooSmall(part: String, tokens: Int, needed: Int, sequenceLength: Int, sequences: Int)
  /// More tokens than 32-bit document lengths can say.
  case tooLarge(tokens: Int)
  /// A serialised corpus contradicts itself.
  case malformed(String)

  /// sysexits: 66 (no input) for what is missing or unreadable, 65 (data) for what is bad.
  package var exitCode: Int32 {
    switch self {
    case .unreadable: 66
    case .noSources, .notText, .empty, .tooSmall, .tooLarge, .malformed: 65
    }
  }
}

extension DataError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .noSources:
      return "data.sources is empty: list files or directories of text, e.g. [docs, Sources]"
    case .unreadable(let path, let reason):
      return "data.sources: cannot read '\(path)': \(reason)"
    case .notText(let path, let offset):
      return "data.sources: '\(path)' is not UTF-8 text (bad byte at offset \(offset))"
    case .empty(let sources, let skipped):
      let list = sources.map { "'\($0)'" }.joined(separator: ", ")
      return "data.sources: no text in \(list)"
        + (skipped > 0 ? " (\(skipped) empty, binary or dangling entries skipped)" : "")
    case .tooSmall(let part, let tokens, let needed, let length, let sequences):
      return "data.sources: the \(part) text has \(tokens) tokens, but \(sequences) "
        + "\(sequences == 1 ? "sequence" : "sequences of a step") of \(length) need \(needed): "
        + "add text, or lower training.sequence or training.micro_batch or data.held_out"
    case .tooLarge(let tokens):
      return "data.sources: \(tokens) tokens are more than \(Int32.max), the most a corpus holds"
    case .malformed(let what):
      return "serialised corpus is malformed: \(what)"
    }
  }
}
