// metrics.jsonl and loads.jsonl of a run that goes on: lines of steps that the checkpoint knows
// nothing of are cut off, so that every step stands there once.

internal import Glibc
package import RunFiles

extension RunDirectory {
  /// Ends metrics.jsonl and loads.jsonl after the line of `step`: cuts at the first line of a later
  /// step, or one that is torn. Nothing happens when there is no file.
  package func cutMetrics(after step: Int) throws(RunFileError) {
    try Self.cut(metrics, after: step)
    try Self.cut(loads, after: step)
  }

  private static func cut(_ path: String, after step: Int) throws(RunFileError) {
    guard let stream = fopen(path, "r") else {
      if errno == ENOENT { return }
      throw RunFileError("read", path)
    }
    defer { fclose(stream) }
    var kept = 0
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while true {
      let length = getline(&line, &capacity, stream)
      guard length > 0, let start = line else { break }
      let bytes = UnsafeRawBufferPointer(start: start, count: length)
      guard let found = Self.step(ofLine: bytes), found <= step else { break }
      kept += length
    }
    guard truncate(path, off_t(kept)) == 0 else { throw RunFileError("cut", path) }
  }

  /// The number after "step": in a whole line; nil in a torn one.
  static func step(ofLine bytes: UnsafeRawBufferPointer) -> Int? {
    let text = String(decoding: bytes, as: UTF8.self)
    let head = "{\"step\": "
    guard text.hasPrefix(head), text.hasSuffix("}\n") else { return nil }
    return Int(text.dropFirst(head.count).prefix { $0.isNumber })
  }
}
