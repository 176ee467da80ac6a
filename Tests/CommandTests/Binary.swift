// Runs the built dsv3 as a user would: its own process, arguments, output and exit code.

import Glibc
import Testing

/// What a run of dsv3 left.
struct Output {
  var code: Int32
  var standard: String
  var error: String
}

enum Binary {
  /// The top of the checkout: this file is Tests/CommandTests/Binary.swift.
  static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

  /// The dsv3 that was built with these tests, beside their bundle; else the release build's.
  static let path: String = {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let own = String(
      decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    let beside = own.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/dsv3"
    return access(beside, X_OK) == 0 ? beside : root + "/.build/release/dsv3"
  }()

  /// Runs dsv3 with the checkout as its directory.
  static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Output {
    let scratch = try Scratch()
    let files = (scratch.path("stdout"), scratch.path("stderr"))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, files.0, flags, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, files.1, flags, 0o600)

    var variables = ["PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"]
    for name in ["LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "ASAN_OPTIONS"] {
      if let value = getenv(name) { variables[name] = String(cString: value) }
    }
    variables.merge(environment) { $1 }
    var child: pid_t = 0
    // posix_spawn itself has no portable way to change the directory.
    let env = "/usr/bin/env"
    let code = withStrings([env, "-C", root, path] + arguments) { arguments in
      withStrings(variables.map { "\($0)=\($1)" }) { variables in
        posix_spawn(&child, env, &actions, nil, arguments, variables)
      }
    }
    try #require(code == 0, "\(path): \(String(cString: strerror(code)))")
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    let signal = status & 0x7F
    return Output(
      code: signal == 0 ? (status >> 8) & 0xFF : 128 + signal,
      standard: try text(files.0), error: try text(files.1))
  }

  private static func withStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }

  /// The contents of a file.
  static func text(_ path: String) throws -> String {
    let file = try #require(fopen(path, "r"), "\(path) is missing")
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// A directory of its own, removed with what is in it when this ends.
final class Scratch {
  let directory: String

  init() throws {
    var template = Array("/tmp/dsv3-command-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    directory = try #require(made)
  }

  deinit {
    guard let stream = opendir(directory) else { return }
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      unlink(path(name))
    }
    closedir(stream)
    rmdir(directory)
  }

  func path(_ name: String) -> String { "\(directory)/\(name)" }

  /// Writes a file and returns its path.
  func write(_ name: String, _ contents: String) throws -> String {
    let file = try #require(fopen(path(name), "w"))
    fputs(contents, file)
    fclose(file)
    return path(name)
  }
}
