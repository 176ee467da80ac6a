// The workload file: what is written comes back, and what is no workload is said so.
import Glibc
import ModelSpec
import Schedules
import Testing
import Workload

@Suite struct FileTests {
  static let layout = Layout(pipeline: 4, data: 4, expert: 4, gpusPerNode: 2)

  /// A step of the default model on 16 ranks.
  static func step(_ routing: RoutingSource? = nil, microbatches: Int = 16) throws -> Workload {
    try .built(
      ModelPreset.mini.spec, layout,
      ScheduleCatalog.make(name: "dualpipe", ranks: 4, microbatches: microbatches), tokens: 128,
      routing: routing, configuration: "model: {preset: dsv3-mini}  # größer\n")
  }

  /// Rows for every exchange, each different.
  static func recorded(microbatches: Int = 16) -> RoutingSource {
    let spec = ModelPreset.mini.spec
    var random = TestRandom(state: 5)
    var table = RecordedRouting()
    let shape = StepShape(spec, sequenceLength: 128, sequences: 1, microbatches: microbatches)
    for layer in spec.denseLayers..<spec.layers + spec.mtpDepth {
      for microbatch in 0..<microbatches {
        for dataRank in 0..<layout.data {
          // Two experts of one group of two, or of two groups.
          let choices = (0..<shape.tokens(layer: layer)).flatMap { _ -> [Int32] in
            let first = random.below(8)
            return [Int32(first), Int32((first + 1 + random.below(7)) % 8)]
          }
          table.rows[.init(layer: layer, microbatch: microbatch, dataRank: dataRank)] =
            choices.withUnsafeBufferPointer {
              RoutedRows(choices: $0, perToken: 2, expertsPerRank: 2, nodeOfRank: [0, 0, 1, 1])
            }
        }
      }
    }
    return .recorded(table)
  }

  static func sampled(microbatches: Int = 16) -> RoutingSource {
    let spec = ModelPreset.mini.spec
    return .sampled(
      SampledRouting(
        spec: spec, layout: layout,
        shape: StepShape(spec, sequenceLength: 128, sequences: 1, microbatches: microbatches),
        seed: .max, skew: 0.3, draws: 5))
  }

  @Test func everyRoutingComesBack() throws {
    for routing in [nil, Self.recorded(), Self.sampled()] {
      let workload = try Self.step(routing)
      let bytes = workload.encoded()
      let read = try Workload(decoding: bytes, source: "memory")
      #expect(read == workload)
      #expect(read.encoded() == bytes)
      // 2,028 operations and, when recorded, 6 layers × 16 micro-batches × 4 ranks of rows.
      #expect(bytes.count < 20_000)
    }
    let alone = try Workload.onePipelineRank(
      .tiny(layers: 1), data: 1, microbatches: 1, [.forward(cell(0)), .backward(cell(0))])
    #expect(try Workload(decoding: alone.encoded(), source: "memory") == alone)
  }

  /// Expert groups of 4 over nodes of 3 lie on nodes in three different ways; the builder gives
  /// each its own rows.
  @Test func groupsThatLieDifferentlyOnNodesComeBack() throws {
    let workload = try Workload.built(
      ModelPreset.mini.spec, Layout(pipeline: 2, data: 8, expert: 4, gpusPerNode: 3),
      ScheduleCatalog.make(name: "1f1b", ranks: 2, microbatches: 2), tokens: 16)
    #expect(try Workload(decoding: workload.encoded(), source: "memory") == workload)
  }

  @Test func theReportsStepFitsInAMegabyte() throws {
    let workload = try Workload.built(
      ModelPreset.deepseekV3.spec, Layout(pipeline: 16, data: 128, expert: 64, gpusPerNode: 8),
      ScheduleCatalog.make(name: "dualpipe", ranks: 16, microbatches: 120), tokens: 4096)
    let bytes = workload.encoded()
    #expect(bytes.count < 400_000)
    #expect(try Workload(decoding: bytes, source: "memory") == workload)
  }

  @Test func aFileIsWrittenWholeAndReadBack() throws {
    var template = Array("/tmp/dsv3-workload-XXXXXX".utf8CString)
    let directory = try #require(
      template.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
      })
    defer { rmdir(directory) }
    let path = directory + "/step-1.workload"
    let workload = try Self.step(Self.recorded())
    try workload.write(to: path)
    defer { unlink(path) }
    #expect(try Workload(contentsOf: path) == workload)
    // Over an older file, and nothing else is left in the directory.
    let other = try Self.step()
    try other.write(to: path)
    #expect(try Workload(contentsOf: path) == other)
    #expect(rmdir(directory) != 0 && errno == ENOTEMPTY)
    unlink(path)
    #expect(rmdir(directory) == 0)
  }

  @Test func whatIsMissingOrInTheWayIsSaid() throws {
    let missing = #expect(throws: WorkloadError.self) {
      try Workload(contentsOf: "/nonexistent/step.workload")
    }
    #expect(missing?.problem == .missingFile && missing?.exitCode == 66)
    #expect(missing?.description == "/nonexistent/step.workload: no such file")
    let directory = #expect(throws: WorkloadError.self) { try Workload(contentsOf: "/tmp") }
    #expect(directory?.problem == .unreadable && directory?.exitCode == 74)
    let workload = try Self.step()
    let unwritable = #expect(throws: WorkloadError.self) {
      try workload.write(to: "/nonexistent/step.workload")
    }
    #expect(unwritable?.problem == .unwritable)
    #expect(
      unwritable?.description
        == "/nonexistent/step.workload: cannot be written: No such file or directory")
  }

  @Test func theWrapperIsCheckedBeforeTheContent() throws {
    let bytes = try Self.step().encoded()
    func message(_ bytes: [UInt8]) -> String {
      do {
        _ = try Workload(decoding: bytes, source: "f")
        return "read"
      } catch {
        #expect(error.exitCode == 65)
        return error.description
      }
    }
    let noFile = "f: is no workload file: one begins with 'dsv3work'"
    #expect(message([]) == noFile)
    #expect(message(Array("dsv3wor".utf8)) == noFile)
    #expect(message(Array("PK".utf8) + bytes) == noFile)
    #expect(message(Array(bytes[..<10])).contains("ends where more is needed"))
    let length = bytes.count
    #expect(message(Array(bytes[..<500])) == "f: is cut short: 500 of \(length) bytes")
    #expect(message(bytes + [0]) == "f: has \(length + 1) bytes where its header says \(length)")
    var newer = bytes
    newer[8] = 2
    #expect(
      message(newer) == "f: was written by a newer dsv3, in format 2; this one reads format 1")
    var damaged = bytes
    damaged[length / 2] ^= 0x10
    #expect(message(damaged).hasPrefix("f: is damaged: its bytes have the checksum "))
  }

  /// The check value of CRC-32C: "123456789" gives e3069283 (RFC 3720 and everywhere).
  @Test func theReferenceOfTheFuzzTestsIsCRC32C() {
    #expect(FileFuzzTests.crc(Array("123456789".utf8)) == 0xe306_9283)
  }
}
