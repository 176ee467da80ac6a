// What is written reads back identical, byte by byte where a file of Hugging Face's is at hand.

import Glibc
import Model
import ModelSpec
import Testing

/// A directory of its own for one test, gone afterwards.
final class HuggingFaceScratch {
  let path: String

  init() throws {
    var template = Array("/tmp/dsv3-huggingface-XXXXXX".utf8CString)
    path = String(cString: try #require(mkdtemp(&template)))
  }

  deinit { remove(path) }

  func write(_ name: String, _ bytes: [UInt8]) {
    let file = fopen("\(path)/\(name)", "w")
    bytes.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, file) }
    fclose(file)
  }

  private func remove(_ path: String) {
    if let directory = opendir(path) {
      defer { closedir(directory) }
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { remove("\(path)/\(name)") }
      }
    }
    Glibc.remove(path)
  }
}

/// The tensors of a golden directory, ready to be written elsewhere.
func huggingFaceTensors(_ directory: HuggingFaceDirectory) throws -> [SafeTensors.Tensor] {
  try directory.names.map {
    SafeTensors.Tensor(
      $0, shape: try directory.info($0).shape, .floats(try directory.floats($0)))
  }
}

private func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

@Suite struct HuggingFaceWritingTests {
  /// Hugging Face's writer made these files; the same tensors give the same bytes here.
  @Test(arguments: [
    "tiny/model", "tiny/outputs", "tiny/activations", "tiny/inputs", "router/router",
    "balance/balance",
  ])
  func rewritingAHuggingFaceFileGivesTheSameBytes(name: String) throws {
    let scratch = try HuggingFaceScratch()
    let path = huggingFaceFixture("golden/\(name).safetensors")
    let file = try SafeTensors(path: path)
    let tensors = try file.tensors.map { info in
      SafeTensors.Tensor(
        info.name, shape: info.shape,
        info.type == .i64
          ? .integers(try file.integers(info.name)) : .floats(try file.floats(info.name)))
    }
    let copy = "\(scratch.path)/copy.safetensors"
    try SafeTensors.write(tensors.reversed(), to: copy, metadata: file.metadata)
    #expect(try readSmallFile(copy) == readSmallFile(path))
    #expect(!exists(copy + ".partial"))
  }

  @Test func namesThatNeedEscapingSurvive() throws {
    let scratch = try HuggingFaceScratch()
    let names = ["a\"b", "a\\b", "a\nb\u{1}", "é.重み", ""]
    let tensors = names.map { SafeTensors.Tensor($0, shape: [1], .floats([1])) }
    try SafeTensors.write(tensors, to: "\(scratch.path)/f", metadata: ["k\t": "v\""])
    let file = try SafeTensors(path: "\(scratch.path)/f")
    #expect(Set(file.names) == Set(names))
    #expect(file.metadata == ["k\t": "v\""])
  }

  @Test func memoryIsWrittenFromWhereItIs() throws {
    let scratch = try HuggingFaceScratch()
    let values: [Float] = [1, .infinity, -.zero, .leastNonzeroMagnitude]
    try values.withUnsafeBufferPointer {
      try SafeTensors.write(
        [SafeTensors.Tensor("x", shape: [2, 2], .buffer($0))], to: "\(scratch.path)/f")
    }
    let read = try SafeTensors(path: "\(scratch.path)/f").floats("x")
    #expect(read.map(\.bitPattern) == values.map(\.bitPattern))
  }

  @Test func whereNothingCanBeWrittenTheErrorNamesTheFile() {
    let error = #expect(throws: CheckpointError.self) {
      try SafeTensors.write([], to: "/proc/none/f.safetensors")
    }
    #expect(error?.file == "/proc/none/f.safetensors.partial")
    #expect(error?.problem != .badData)
  }

  /// Renaming would put a file in the place of the device, for root even of /dev/null itself; links
  /// stand for devices here, so that nothing is lost when it does.
  @Test func aDeviceIsWrittenToAndStays() throws {
    let scratch = try HuggingFaceScratch()
    let tensor = SafeTensors.Tensor("x", shape: [1], .floats([1]))
    for (name, device) in [("null", "/dev/null"), ("full", "/dev/full")] {
      try #require(symlink(device, "\(scratch.path)/\(name)") == 0)
    }
    try SafeTensors.write([tensor], to: "\(scratch.path)/null")
    let error = #expect(throws: CheckpointError.self) {
      try SafeTensors.write([tensor], to: "\(scratch.path)/full")
    }
    #expect(error?.file == "\(scratch.path)/full")
    for name in ["null", "full"] {
      var status = stat()
      #expect(stat("\(scratch.path)/\(name)", &status) == 0)
      #expect(status.st_mode & S_IFMT == S_IFCHR, "\(name)")
    }
  }

  @Test(arguments: [Int.max, 400_000, 50_000, 1], ConfigSpelling.allCases)
  func aModelDirectoryReadsBackIdentical(maxShardBytes: Int, spelling: ConfigSpelling) throws {
    let scratch = try HuggingFaceScratch()
    let golden = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny-mtp"))
    let path = "\(scratch.path)/new/model"
    try HuggingFaceDirectory.write(
      spec: golden.spec, tensors: huggingFaceTensors(golden), to: path,
      maxShardBytes: maxShardBytes, spelling: spelling)
    let copy = try HuggingFaceDirectory(path: path + "/")
    #expect(copy.spec == golden.spec)
    #expect(copy.names == golden.names)
    for name in copy.names { #expect(try copy.floats(name) == golden.floats(name)) }
    // 1,155,048 bytes of file; with one byte a shard each tensor has its own.
    #expect((copy.shards.count == 1) == (maxShardBytes == .max))
    if maxShardBytes == 1 { #expect(copy.shards.count == copy.names.count) }
    if maxShardBytes == 50_000 {
      let largest = copy.shards.map { $0.tensors.reduce(0) { $0 + $1.bytes.count } }.max()
      #expect(largest == 65_536, "only a tensor of 256 x 64 floats may exceed the limit")
    }
  }

  @Test func anEarlierWriteLeavesNothingBehind() throws {
    let scratch = try HuggingFaceScratch()
    let golden = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny"))
    let tensors = try huggingFaceTensors(golden)
    scratch.write("tokenizer.json", [])
    for limit in [Int.max, 400_000, 200_000, Int.max] {
      try HuggingFaceDirectory.write(
        spec: golden.spec, tensors: tensors, to: scratch.path, maxShardBytes: limit)
      #expect(exists("\(scratch.path)/model.safetensors") == (limit == .max))
      #expect(exists("\(scratch.path)/model.safetensors.index.json") == (limit != .max))
      let copy = try HuggingFaceDirectory(path: scratch.path)
      for name in copy.names { #expect(try copy.floats(name) == golden.floats(name)) }
    }
    #expect(exists("\(scratch.path)/tokenizer.json"))
  }

  @Test func tensorsThatAreNotTheModelsAreNotWritten() throws {
    let scratch = try HuggingFaceScratch()
    let golden = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny"))
    let tensors = try huggingFaceTensors(golden)
    let wrong = [
      Array(tensors.dropFirst()), tensors + [tensors[0]],
      tensors + [SafeTensors.Tensor("x", shape: [], .floats([1]))],
      tensors.dropFirst() + [SafeTensors.Tensor(tensors[0].name, shape: [1], .floats([1]))],
    ]
    for tensors in wrong {
      #expect(throws: CheckpointError.self) {
        try HuggingFaceDirectory.write(spec: golden.spec, tensors: tensors, to: scratch.path)
      }
    }
    #expect(!exists("\(scratch.path)/config.json"))
  }
}
