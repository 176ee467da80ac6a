// A checkpoint as a model for others: Hugging Face's directory alone, in FP32 or BF16, with the
// weights as they are or their running mean. It appears under its name when it is whole.

internal import Glibc
package import Model
package import ModelSpec
internal import NumberFormats
internal import RunFiles

package struct CheckpointExport {
  package enum Format: String, Sendable, CaseIterable {
    case f32
    case bf16
  }

  package let directory: HuggingFaceDirectory
  private let averages: ShardFiles?

  package var spec: ModelSpec { directory.spec }

  /// - Parameter isAverage: the running mean instead of the weights; the routers' biases, which
  ///   have none, are the checkpoint's.
  /// - Throws: `CheckpointError` when the checkpoint is damaged, or has no mean.
  package init(checkpoint path: String, isAverage: Bool) throws(CheckpointError) {
    if let damage = CheckpointManifest.damage(in: path) { throw damage }
    let state = try CheckpointState(checkpoint: path)
    if isAverage && state.averageUpdates == 0 {
      throw CheckpointError(
        .badData, file: path,
        message: "has no mean of the weights: training.ema_decay was 0; export without --average")
    }
    directory = try HuggingFaceDirectory(path: path)
    averages = isAverage ? try ShardFiles(directory: path, prefix: "average", rank: 0) : nil
  }

  /// Writes config.json and the weights to `path`, which must not be there or be empty.
  /// - Throws: `CheckpointError`.
  package func write(to path: String, as format: Format) throws(CheckpointError) {
    var trimmed = path
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    if access(trimmed, F_OK) == 0 && rmdir(trimmed) != 0 {
      throw CheckpointError(
        .inputOutput, file: trimmed, message: "is there and not an empty directory")
    }
    let partial = "\(trimmed).\(getpid()).partial"
    do throws(CheckpointError) {
      let tensors = try spec.parameters().map {
        (parameter) throws(CheckpointError) -> SafeTensors.Tensor in
        try tensor(parameter, format)
      }
      try HuggingFaceDirectory.write(
        spec: spec, tensors: tensors, to: partial,
        dtype: format == .f32 ? "float32" : "bfloat16")
      guard rename(partial, trimmed) == 0 else {
        throw CheckpointError(
          .inputOutput, file: trimmed,
          message: "cannot be given its name: \(String(cString: strerror(errno)))")
      }
    } catch {
      try? CheckpointFolder.remove(partial)
      throw error
    }
  }

  /// A tensor that is read when its turn to be written has come.
  private func tensor(
    _ parameter: ParameterSpec, _ format: Format
  ) throws(CheckpointError) -> SafeTensors.Tensor {
    let (isF32, count) = (format == .f32, parameter.elements)
    // Biases choose experts by small differences, and Hugging Face keeps them in FP32 too.
    let type: TensorType = isF32 || parameter.isBuffer ? .f32 : .bf16
    return SafeTensors.Tensor(
      parameter.name, shape: parameter.shape,
      .stored(type) { () throws(CheckpointError) -> [UInt8] in
        let values = try self.values(parameter)
        var bytes = [UInt8](repeating: 0, count: count * type.width)
        values.withUnsafeBufferPointer { values in
          bytes.withUnsafeMutableBytes { bytes in
            guard let source = values.baseAddress, let target = bytes.baseAddress else { return }
            if type == .f32 {
              target.copyMemory(from: source, byteCount: 4 * count)
            } else {
              NumberFormat.bf16.encode(source, count: count, into: target, overflow: .escape)
            }
          }
        }
        return bytes
      })
  }

  private func values(_ parameter: ParameterSpec) throws(CheckpointError) -> [Float] {
    guard let averages, !parameter.isBuffer else { return try directory.floats(parameter.name) }
    var values = [Float](repeating: 0, count: parameter.elements)
    var failure: CheckpointError?
    values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      do throws(CheckpointError) {
        try averages.read(.mean, of: parameter.name, 0..<buffer.count, into: base)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }
}
