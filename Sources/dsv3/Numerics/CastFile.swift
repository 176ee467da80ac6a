// The files of a cast: what is read, checked before anything is written, and what is written,
// which does not stay when the cast fails.

import Glibc
import NumberFormats

/// Numbers of a block, 4 MiB as FP32.
private let blockNumbers = 1 << 20

/// Casts a file of FP32 numbers to a file of codes.
///
/// - Throws: `CommandError`: 66 when there is no input, 65 when it ends within a number, 74 when
///   it cannot be read or the output not be written, 64 when both are the same file.
func castFile(
  _ input: String, to format: NumberFormat, _ overflow: Overflow, output: String
) throws -> CastStatistics {
  let source = try openInput(input)
  defer { close(source.descriptor) }
  try refuseSameFile(source.status, output)
  let target = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  guard target >= 0 else { throw fileError(output, "cannot be written", errno) }
  do {
    let statistics = try castStream(
      (source.descriptor, input), to: format, overflow, output: (target, output))
    guard close(target) == 0 else { throw fileError(output, "cannot be written", errno) }
    return statistics
  } catch {
    var status = stat()
    // A device or pipe stays.
    if fstat(target, &status) == 0, isRegular(status) { unlink(output) }
    close(target)
    throw error
  }
}

private func openInput(_ path: String) throws -> (descriptor: Int32, status: stat) {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    let code = errno
    guard code == ENOENT || code == ENOTDIR else {
      throw fileError(path, "cannot be opened", code)
    }
    throw CommandError(message: "\(printable(path)): no such file", code: 66)
  }
  var status = stat()
  fstat(descriptor, &status)
  do {
    if status.st_mode & S_IFMT == S_IFDIR { throw fileError(path, "cannot be read", EISDIR) }
    if isRegular(status), status.st_size % 4 != 0 { throw raggedEnd(path, Int(status.st_size)) }
  } catch {
    close(descriptor)
    throw error
  }
  return (descriptor, status)
}

/// Opening the output would empty the input.
private func refuseSameFile(_ input: stat, _ output: String) throws {
  var status = stat()
  guard stat(output, &status) == 0, isRegular(status) else { return }
  if status.st_dev == input.st_dev, status.st_ino == input.st_ino {
    throw CommandError(message: "\(printable(output)): both the input and the output", code: 64)
  }
}

private func castStream(
  _ input: (descriptor: Int32, path: String), to format: NumberFormat, _ overflow: Overflow,
  output: (descriptor: Int32, path: String)
) throws -> CastStatistics {
  let numbers = UnsafeMutablePointer<Float>.allocate(capacity: 2 * blockNumbers)
  let codes = UnsafeMutableRawPointer.allocate(
    byteCount: blockNumbers * format.codeBytes, alignment: 64)
  defer {
    numbers.deallocate()
    codes.deallocate()
  }
  var statistics = CastStatistics(format: format, overflow: overflow)
  while true {
    let bytes = try fill(numbers, from: input)
    let count = bytes / 4
    guard bytes % 4 == 0 else { throw raggedEnd(input.path, statistics.count * 4 + bytes) }
    format.encode(numbers, count: count, into: codes, overflow: overflow)
    statistics.add(numbers, codes: codes, count: count, scratch: numbers + blockNumbers)
    try write(codes, count * format.codeBytes, to: output)
    if count < blockNumbers { return statistics }
  }
}

/// Bytes read: a block's, fewer only at the end.
private func fill(
  _ numbers: UnsafeMutablePointer<Float>, from input: (descriptor: Int32, path: String)
) throws -> Int {
  var filled = 0
  while filled < 4 * blockNumbers {
    let count = read(
      input.descriptor, UnsafeMutableRawPointer(numbers) + filled, 4 * blockNumbers - filled)
    if count == 0 { break }
    if count < 0 {
      if errno == EINTR { continue }
      throw fileError(input.path, "cannot be read", errno)
    }
    filled += count
  }
  return filled
}

private func write(
  _ codes: UnsafeMutableRawPointer, _ bytes: Int, to output: (descriptor: Int32, path: String)
) throws {
  var written = 0
  while written < bytes {
    let count = Glibc.write(output.descriptor, codes + written, bytes - written)
    if count < 0 {
      if errno == EINTR { continue }
      throw fileError(output.path, "cannot be written", errno)
    }
    written += count
  }
}

private func isRegular(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFREG }

private func raggedEnd(_ path: String, _ bytes: Int) -> CommandError {
  CommandError(
    message: "\(printable(path)): \(bytes) bytes are no whole count of FP32 numbers, 4 bytes each",
    code: 65)
}

private func fileError(_ path: String, _ problem: String, _ code: Int32) -> CommandError {
  CommandError(
    message: "\(printable(path)): \(problem): \(String(cString: strerror(code)))", code: 74)
}
