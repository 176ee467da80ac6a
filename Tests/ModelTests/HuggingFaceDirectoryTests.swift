// Model directories: one file, several with and without index, and what each lack says.

import Model
import ModelSpec
import Testing

/// Fills arrays of a model's parameters from a directory.
private func load(
  _ directory: HuggingFaceDirectory, of spec: ModelSpec? = nil
) throws -> (values: [String: [Float]], passedOver: [String]) {
  var values: [String: [Float]] = [:]
  var memory: [String: UnsafeMutableBufferPointer<Float>] = [:]
  defer { memory.values.forEach { $0.deallocate() } }
  let passedOver = try directory.loadParameters(of: spec) { parameter in
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameter.elements)
    buffer.initialize(repeating: .nan)
    memory[parameter.name] = buffer
    return buffer
  }
  for (name, buffer) in memory { values[name] = Array(buffer) }
  return (values, passedOver)
}

@Suite struct HuggingFaceDirectoryTests {
  /// The names and shapes that the spec lists are those that Hugging Face wrote, no more or less.
  @Test(arguments: ["tiny", "tiny-yarn", "tiny-mtp", "tiny-mtp-released"])
  func theGoldenDirectoriesHoldExactlyTheParametersOfTheirConfig(name: String) throws {
    let directory = try HuggingFaceDirectory(path: huggingFaceFixture("golden/\(name)"))
    let parameters = directory.spec.parameters()
    #expect(parameters.map(\.name).sorted() == directory.names)
    for parameter in parameters {
      #expect(try directory.info(parameter.name).shape == parameter.shape)
    }
    let (values, passedOver) = try load(directory)
    #expect(passedOver.isEmpty)
    for (name, floats) in values { #expect(try directory.floats(name) == floats) }
    #expect(values.count == parameters.count)
  }

  /// Gradients exist for all parameters but the buffers.
  @Test(arguments: ["tiny", "tiny-mtp"])
  func buffersAreTheParametersWithoutGradient(name: String) throws {
    let directory = try HuggingFaceDirectory(path: huggingFaceFixture("golden/\(name)"))
    let gradients = try SafeTensors(
      path: huggingFaceFixture("golden/\(name)/grads.safetensors"))
    let learned = directory.spec.parameters().filter { !$0.isBuffer }.map(\.name)
    #expect(learned.sorted() == gradients.names.sorted())
  }

  @Test func theTwoShardedDirectoriesDifferInTheProjectionAlone() throws {
    let report = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny-mtp"))
    let released = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny-mtp-released"))
    let differing = try report.names.filter { try report.floats($0) != released.floats($0) }
    #expect(differing == ["model.layers.3.eh_proj.weight"])
    // [h; e] against [e; h]: the halves of each row are swapped.
    let rows = try report.floats(differing[0])
    var swapped: [Float] = []
    for row in stride(from: 0, to: rows.count, by: 128) {
      swapped += rows[(row + 64)..<(row + 128)]
      swapped += rows[row..<(row + 64)]
    }
    #expect(try released.floats(differing[0]) == swapped)
  }

  @Test func aRankLoadsOnlyWhatItAsksFor() throws {
    let directory = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny"))
    let norm = UnsafeMutableBufferPointer<Float>.allocate(capacity: 64)
    defer { norm.deallocate() }
    try directory.loadParameters { $0.name == "model.norm.weight" ? norm : nil }
    #expect(try Array(norm) == directory.floats("model.norm.weight"))
  }

  @Test func withoutIndexAllFilesAreTakenTogether() throws {
    let golden = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny"))
    let tensors = try huggingFaceTensors(golden)
    let scratch = try HuggingFaceScratch()
    scratch.write("config.json", golden.spec.configJSON())
    try SafeTensors.write(Array(tensors[..<50]), to: "\(scratch.path)/a.safetensors")
    try SafeTensors.write(Array(tensors[50...]), to: "\(scratch.path)/b.safetensors")
    let directory = try HuggingFaceDirectory(path: scratch.path)
    #expect(directory.names == golden.names)
    #expect(try load(directory).values == load(golden).values)
    try SafeTensors.write([tensors[0]], to: "\(scratch.path)/c.safetensors")
    let error = #expect(throws: CheckpointError.self) {
      try HuggingFaceDirectory(path: scratch.path)
    }
    #expect(error?.tensor == tensors[0].name)
  }

  /// The released file repeats embedding and head in its MTP block; a run may also use fewer MTP
  /// blocks than the file has.
  @Test func copiesOfTheSharedTensorsAndUnusedBlocksArePassedOver() throws {
    let golden = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny-mtp"))
    let copies = golden.spec.repeatedParameters()
    #expect(
      copies.map(\.name) == [
        "model.layers.3.embed_tokens.weight", "model.layers.3.shared_head.head.weight",
      ])
    let zeros = [Float](repeating: 0, count: 256 * 64)
    let scratch = try HuggingFaceScratch()
    scratch.write("config.json", golden.spec.configJSON())
    for shape in [[256, 64], [64, 256]] {
      let extra = copies.map { SafeTensors.Tensor($0.name, shape: shape, .floats(zeros)) }
      try SafeTensors.write(
        huggingFaceTensors(golden) + extra, to: "\(scratch.path)/model.safetensors")
      let directory = try HuggingFaceDirectory(path: scratch.path)
      if shape == [256, 64] {
        #expect(try load(directory).passedOver == copies.map(\.name))
        var plain = directory.spec
        plain.mtpDepth = 0
        let passedOver = try load(directory, of: plain).passedOver
        #expect(passedOver.count == 2 + directory.spec.mtpParameters(3).count)
      } else {
        #expect(throws: CheckpointError.self) { try load(directory) }
      }
    }
  }

  @Test func missingForeignAndMisshapenTensorsAreNamed() throws {
    let golden = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny"))
    let tensors = try huggingFaceTensors(golden)
    let scratch = try HuggingFaceScratch()
    scratch.write("config.json", golden.spec.configJSON())
    func failure(_ tensors: [SafeTensors.Tensor]) throws -> CheckpointError? {
      try SafeTensors.write(tensors, to: "\(scratch.path)/model.safetensors")
      let directory = try HuggingFaceDirectory(path: scratch.path)
      return #expect(throws: CheckpointError.self) { try load(directory) }
    }
    let missing = try failure(Array(tensors.dropLast(6)))
    #expect(missing?.message.hasPrefix("missing; so are '") == true)
    #expect(
      missing?.message.hasSuffix("and 1 more; 129 tensors are needed and 123 are there") == true)
    let foreign = try failure(
      tensors + [SafeTensors.Tensor("model.layers.0.bias", shape: [1], .floats([0]))])
    #expect(foreign?.tensor == "model.layers.0.bias")
    let vector = SafeTensors.Tensor(
      tensors[0].name, shape: [64], .floats(.init(repeating: 0, count: 64)))
    let misshapen = try failure(tensors.dropFirst() + [vector])
    #expect(misshapen?.message == "shape [64] where config.json makes it [256, 64]")
    let integers = SafeTensors.Tensor(
      tensors[0].name, shape: [256, 64], .integers(.init(repeating: 0, count: 256 * 64)))
    let untyped = try failure(tensors.dropFirst() + [integers])
    #expect(untyped?.message == "dtype I64 where F32, F16, BF16 or F64 is needed")
  }

  @Test func aTruncatedShardSaysWhereItEnds() throws {
    let golden = try HuggingFaceDirectory(path: huggingFaceFixture("golden/tiny"))
    let scratch = try HuggingFaceScratch()
    try HuggingFaceDirectory.write(
      spec: golden.spec, tensors: huggingFaceTensors(golden), to: scratch.path,
      maxShardBytes: 600_000)
    let name = "model-00002-of-00002.safetensors"
    let whole = try readSmallFile("\(scratch.path)/\(name)")
    scratch.write(name, Array(whole[..<100_000]))
    let error = #expect(throws: CheckpointError.self) {
      try HuggingFaceDirectory(path: scratch.path)
    }
    #expect(error?.file == "\(scratch.path)/\(name)")
    #expect(error?.message.contains("truncated file") == true)
    #expect(error?.message.contains("(100000 in all)") == true)
  }

  @Test func whatIsMissingInTheDirectoryIsNamed() throws {
    let scratch = try HuggingFaceScratch()
    func failure(_ path: String) -> CheckpointError? {
      #expect(throws: CheckpointError.self) { try HuggingFaceDirectory(path: path) }
    }
    #expect(failure("\(scratch.path)/none")?.description.hasSuffix("no such directory") == true)
    #expect(failure(scratch.path)?.description.hasSuffix("config.json: no such file") == true)
    let config = try readSmallFile(huggingFaceFixture("golden/tiny/config.json"))
    scratch.write("config.json", config)
    #expect(failure("\(scratch.path)/config.json")?.message.hasPrefix("not a directory") == true)
    let none = failure(scratch.path)
    #expect(none?.message.hasPrefix("no weights") == true)
    #expect(none?.exitCode == 66)
    let index = "model.safetensors.index.json"
    scratch.write(index, Array(#"{"weight_map":{"a":"m.safetensors"}}"#.utf8))
    #expect(failure(scratch.path)?.message == "no such file, though \(index) lists it")
    try SafeTensors.write([], to: "\(scratch.path)/m.safetensors")
    #expect(failure(scratch.path)?.tensor == "a")
    scratch.write(index, Array(#"{"weight_map":{"a":"../m.safetensors"}}"#.utf8))
    #expect(failure(scratch.path)?.exitCode == 65)
    scratch.write(index, Array(#"{"weights":{}}"#.utf8))
    #expect(failure(scratch.path)?.message.contains("weight_map") == true)
    scratch.write("config.json", Array("{}".utf8))
    #expect(failure(scratch.path)?.message.contains("missing") == true)
  }
}
