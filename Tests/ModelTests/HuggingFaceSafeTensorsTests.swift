// The safetensors reader on the golden files and on small files made by hand.

import Model
import Testing

/// Path of a file in Tests/Fixtures.
func huggingFaceFixture(_ path: String, here: String = #filePath) -> String {
  let tests = here.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
  return (tests + ["Fixtures", path[...]]).joined(separator: "/")
}

/// A safetensors file with this header and these bytes of data.
func safeTensorsFile(header: String, data: [UInt8]) -> [UInt8] {
  let length = UInt64(header.utf8.count).littleEndian
  return withUnsafeBytes(of: length) { Array($0) } + Array(header.utf8) + data
}

private func bytes<Element: BitwiseCopyable>(_ elements: [Element]) -> [UInt8] {
  elements.withUnsafeBytes { Array($0) }
}

private func open(header: String, data: [UInt8]) throws -> SafeTensors {
  try SafeTensors(bytes: safeTensorsFile(header: header, data: data), source: "f")
}

@Suite struct HuggingFaceSafeTensorsTests {
  @Test func theGoldenWeightsAreListedWithTheirShapes() throws {
    let file = try SafeTensors(path: huggingFaceFixture("golden/tiny/model.safetensors"))
    // 276,736 parameters (meta.json) and the selection bias of 3 layers x 8 experts.
    #expect(file.tensors.map(\.elements).reduce(0, +) == 276_736 + 24)
    #expect(file.tensors.count == 129)
    #expect(file.metadata == ["format": "pt"])
    let info = try file.info("model.layers.0.self_attn.kv_a_proj_with_mqa.weight")
    #expect(info.shape == [24, 64])
    #expect(info.type == .f32)
  }

  @Test func goldenInputsAndLossAreReadAsTheyAre() throws {
    let inputs = try SafeTensors(path: huggingFaceFixture("golden/tiny/inputs.safetensors"))
    let ids = try inputs.integers("input_ids")
    #expect(ids.count == 64)
    #expect(ids.allSatisfy { (0..<256).contains($0) })
    #expect(try inputs.integers("labels") == ids)
    let outputs = try SafeTensors(path: huggingFaceFixture("golden/tiny/outputs.safetensors"))
    // meta.json, loss_fp32.total.
    #expect(try outputs.floats("loss") == [6.205454349517822])
  }

  @Test func everyStoredFloatTypeIsConverted() throws {
    let values: [Float] = [1, -2.5, 0.0078125, 0]
    let brain = values.map { UInt16($0.bitPattern >> 16) }
    let data =
      bytes(values.map { Double($0) }) + bytes(values) + bytes(values.map { Float16($0) })
      + bytes(brain)
    let file = try open(
      header: """
        {"d":{"dtype":"F64","shape":[2,2],"data_offsets":[0,32]},\
        "s":{"dtype":"F32","shape":[4],"data_offsets":[32,48]},\
        "h":{"dtype":"F16","shape":[4,1],"data_offsets":[48,56]},\
        "b":{"dtype":"BF16","shape":[4],"data_offsets":[56,64]}}
        """, data: data)
    for name in ["d", "s", "h", "b"] { #expect(try file.floats(name) == values) }
    #expect(file.names == ["d", "s", "h", "b"])
  }

  @Test func integersComeFromBothWidthsAndFloatsDoNot() throws {
    let file = try open(
      header: """
        {"l":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},\
        "i":{"dtype":"I32","shape":[2],"data_offsets":[16,24]}}
        """, data: bytes([-1, 1 << 40] as [Int64]) + bytes([-7, 7] as [Int32]))
    #expect(try file.integers("l") == [-1, 1 << 40])
    #expect(try file.integers("i") == [-7, 7])
    let error = #expect(throws: CheckpointError.self) { try file.floats("l") }
    #expect(
      error?.description == "f: tensor 'l': dtype I64 where F32, F16, BF16 or F64 is needed")
    #expect(throws: CheckpointError.self) { try file.floats("none") }
  }

  @Test func emptyTensorsAndScalarsAreFine() throws {
    let file = try open(
      header: """
        {"e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},\
        "s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   
        """, data: bytes([Float(3)]))
    #expect(try file.floats("e").isEmpty)
    #expect(try file.floats("s") == [3])
    #expect(try open(header: "{}", data: []).tensors.isEmpty)
  }

  @Test(arguments: [
    // Shape and offsets disagree, in either direction.
    (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "takes 12 bytes"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, "takes 4 bytes"),
    // Products that overflow 64 bits.
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
      "is impossible"
    ),
    (#"{"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}"#, "is impossible"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "0 <= begin <= end"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, "0 <= begin <= end"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#, "0 <= begin <= end"),
    (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, "truncated"),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}"#,
      "truncated"
    ),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "4 too many"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "leaves a gap"),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
        + #""b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "overlaps"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
        + #""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "stands twice"
    ),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, "other than dtype"),
    (#"{"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}}"#, "'Q4' is unknown"),
    (#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, "no key 'dtype'"),
    (#"{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}"#, "header:"),
    (#"{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}"#, "another type"),
    (#"{"__metadata__":{"a":1}}"#, "another type"),
    (#"{"a":"#, "not JSON"), ("[]", "does not begin with '{'"), ("", "does not begin"),
  ])
  func aHeaderThatContradictsTheFileIsRefused(header: String, message: String) {
    let error = #expect(throws: CheckpointError.self) {
      try open(header: header, data: [UInt8](repeating: 0, count: 8))
    }
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    #expect(error?.exitCode == 65)
  }

  @Test func aTruncatedFileSaysHowManyBytesThereAre() {
    let short = #expect(throws: CheckpointError.self) {
      try SafeTensors(bytes: [1, 0, 0], source: "f")
    }
    #expect(short?.message.hasPrefix("truncated: 3 bytes") == true)
    let header = safeTensorsFile(header: "{}        ", data: []).dropLast(4)
    let cut = #expect(throws: CheckpointError.self) {
      try SafeTensors(bytes: Array(header), source: "f")
    }
    #expect(cut?.message == "truncated: the header ends at byte 18, the file at 14")
    let text = #expect(throws: CheckpointError.self) {
      try SafeTensors(bytes: Array("version https://git-lfs".utf8), source: "f")
    }
    #expect(text?.message.hasPrefix("not safetensors") == true)
  }

  /// Of 20 tensors of one byte, the file has the bytes of 8: the ninth is the one to name.
  @Test func ofSeveralTruncatedTensorsTheFirstIsNamed() {
    let entries = (0..<20).map {
      ##""t\##($0)":{"dtype":"U8","shape":[1],"data_offsets":[\##($0),\##($0 + 1)]}"##
    }
    for _ in 0..<4 {
      let error = #expect(throws: CheckpointError.self) {
        try open(
          header: "{" + entries.shuffled().joined(separator: ",") + "}",
          data: [UInt8](repeating: 0, count: 8))
      }
      #expect(error?.tensor == "t8")
    }
  }

  @Test func missingFilesAndDirectoriesAreNotMapped() {
    let missing = #expect(throws: CheckpointError.self) {
      try SafeTensors(path: huggingFaceFixture("golden/tiny/none.safetensors"))
    }
    #expect(missing?.exitCode == 66)
    let directory = #expect(throws: CheckpointError.self) {
      try SafeTensors(path: huggingFaceFixture("golden/tiny"))
    }
    #expect(directory?.exitCode == 74)
  }
}
