// The built dsv3-worker under mpirun, as a user starts it: its ranks, output and exit code. And a
// small run for it: a model, a text and a configuration that train in a second.

import Glibc
import ModelSpec
import Testing
import Training

/// Tests that start jobs of their own; one job at a time.
@Suite(.serialized, .enabled(if: Worker.isBuilt, "dsv3-worker stands beside the tests"))
struct JobTests {}

/// What a job left.
struct JobResult {
  var code: Int32
  var output: String
  var errors: String
  var seconds: Double

  /// Lines in which the worker says what is wrong.
  var complaints: [Substring] {
    errors.split(separator: "\n").filter { $0.hasPrefix("dsv3-worker: ") }
  }
}

/// A started job.
struct RunningJob {
  let process: pid_t
  private let files: TestDirectory
  private let started = ActivityClock.now()

  fileprivate init(_ process: pid_t, _ files: TestDirectory) {
    self.process = process
    self.files = files
  }

  func wait() throws -> JobResult {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    let signal = status & 0x7F
    return JobResult(
      code: signal == 0 ? (status >> 8) & 0xFF : 128 + signal,
      output: try text(of: files("out")), errors: try text(of: files("err")),
      seconds: Double(ActivityClock.now() - started) / 1e9)
  }
}

enum Worker {
  /// The top of the checkout: this file is Tests/TrainingTests/FailureWorker.swift.
  static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

  /// The worker that was built with these tests, beside their bundle; else the release build's.
  static let path: String = {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let own = String(
      decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    let beside = own.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
    let candidates = ["\(beside)/dsv3-worker", "\(root)/.build/release/dsv3-worker"]
    return candidates.first { access($0, X_OK) == 0 } ?? candidates[1]
  }()

  static var isBuilt: Bool { access(path, X_OK) == 0 }

  static func run(_ arguments: [String], ranks: Int = 4) throws -> JobResult {
    try start(arguments, ranks: ranks).wait()
  }

  /// Runs dsv3, which is built beside the worker.
  static func command(_ arguments: [String]) throws -> JobResult {
    try start(["timeout", "60", String(path.dropLast("-worker".count))] + arguments).wait()
  }

  /// Starts a job in the checkout's directory; it is ended after 60 seconds (exit code 110).
  static func start(_ arguments: [String], ranks: Int = 4) throws -> RunningJob {
    try start(
      [".make/with-mpi", "mpirun", "--timeout", "60", "-n", "\(ranks)", path] + arguments)
  }

  private static func start(_ command: [String]) throws -> RunningJob {
    let files = TestDirectory()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, files("out"), flags, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, files("err"), flags, 0o600)
    // The threads of tests block signals, which a child would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    // An environment of its own: these tests may themselves be a process of Open MPI.
    let variables = ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"].compactMap { (name: String) in
      getenv(name).map { "\(name)=\(String(cString: $0))" }
    }
    let command = ["env", "-C", root] + command
    var child: pid_t = 0
    let code = withStrings(command) { command in
      withStrings(variables) { variables in
        posix_spawn(&child, "/usr/bin/env", &actions, &attributes, command, variables)
      }
    }
    try #require(code == 0, "\(String(cString: strerror(code)))")
    return RunningJob(child, files)
  }

  private static func withStrings(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Int32
  ) -> Int32 {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}

/// The contents of a file.
func text(of path: String) throws -> String {
  String(decoding: try readSmallFile(path), as: UTF8.self)
}

/// A configuration with its text, and a directory for what comes out.
struct SmallRun {
  let files = TestDirectory()

  init(schedule: String = "dualpipe") {
    var generator = SeededGenerator(seed: 11)
    let words = ["pipe", "stage", "rank", "token", "expert", "gate", "a", "the", "of", "by"]
    let text = (0..<4000).map { _ in words[generator.next(below: words.count)] }
    files.write("text.txt", text.joined(separator: " "))
    files.write(
      "small.yaml",
      """
      model:
        dimensions: {hidden: 32, layers: 4, dense_layers: 1, heads: 2, query_compression: 16,
          kv_compression: 16, nope_head_dim: 8, rope_head_dim: 4, value_head_dim: 8,
          dense_width: 64, experts: 8, expert_width: 16, experts_per_token: 2, groups: 4,
          groups_per_token: 2}
      layout: {pipeline: 2, data: 2, expert: 2}
      schedule: {name: \(schedule), microbatches: 4}
      training: {steps: 6, sequence: 32, ema_decay: 0.75}
      data: {sources: [\(files("text.txt"))]}
      checkpoint: {every: 3, keep: 2}
      """)
  }

  var directory: String { files("run") }

  func file(_ name: String) -> String { "\(directory)/\(name)" }

  /// Options of a new run.
  var fresh: [String] { ["--config", files("small.yaml"), "--run-dir", directory] }

  /// Options to go on with it.
  var resume: [String] { ["--resume", "--run-dir", directory] }

  /// Lines of metrics.jsonl without what depends on the machine: wall time and memory.
  func metrics() throws -> [String] {
    let machine = [
      "wall_seconds", "tokens_per_second", "peak_memory_bytes", "activations", "buffers", "total",
      "emulation_bytes", "peak_activation_bytes",
    ]
    return try text(of: file("metrics.jsonl")).split(separator: "\n").map { line in
      line.split(separator: ",").filter { field in
        !machine.contains { field.contains("\"\($0)\"") }
      }.joined(separator: ",")
    }
  }

  /// Whole lines of metrics.jsonl, 0 when there is no such file.
  var steps: Int {
    ((try? readSmallFile(file("metrics.jsonl"))) ?? []).count { $0 == UInt8(ascii: "\n") }
  }

  /// The losses in metrics.jsonl.
  func losses() throws -> [Double] {
    try text(of: file("metrics.jsonl")).split(separator: "\n").compactMap { line in
      line.split(separator: ",").first { $0.contains("\"loss\"") }
        .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
    }
  }

  /// Files of a checkpoint, by name.
  func contents(ofStep step: Int) throws -> [String: [UInt8]] {
    let folder = file("checkpoints/step-\(step)")
    var contents: [String: [UInt8]] = [:]
    for name in try names(in: folder) { contents[name] = try readSmallFile("\(folder)/\(name)") }
    return contents
  }

  /// Names in a folder of the run, sorted.
  func names(in folder: String) throws -> [String] {
    let stream = try #require(opendir(folder), "\(folder)")
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names.filter { $0 != "." && $0 != ".." }.sorted()
  }

  /// Makes `latest` point to an earlier checkpoint and removes the later one, as if the run had
  /// been killed between the two.
  func goBack(from later: Int, to earlier: Int) throws {
    for name in try names(in: file("checkpoints/step-\(later)")) {
      unlink(file("checkpoints/step-\(later)/\(name)"))
    }
    rmdir(file("checkpoints/step-\(later)"))
    unlink(file("checkpoints/latest"))
    try #require(symlink("step-\(earlier)", file("checkpoints/latest")) == 0)
  }
}
