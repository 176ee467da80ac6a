// What one half of a transformer block keeps of one micro-batch: each tensor with the part of the
// step that it lives through.

/// When a tensor of a micro-batch is alive. A full backward is an input half and a weight half
/// without anything between them.
package enum TensorLifetime: Hashable, Sendable {
  /// From the forward to the end of the input half.
  case forwardToInput
  /// From the forward to the end of the weight half.
  case forwardToWeight
  /// From the input half to the end of the weight half.
  case inputToWeight
}

/// One tensor that a micro-batch leaves behind.
package struct SavedTensor: Hashable, Sendable {
  package var name: String
  package var bytes: Int
  package var lifetime: TensorLifetime
}

/// The tensors of attention or of the MLP of one block, with what stands beside them.
package struct SavedTensors: Hashable, Sendable {
  package private(set) var tensors: [SavedTensor] = []
  /// Bytes by lifetime.
  package private(set) var forwardToInput = 0
  package private(set) var forwardToWeight = 0
  package private(set) var inputToWeight = 0
  /// Bytes that exist only while the backward of this half runs.
  package private(set) var working = 0

  /// Bytes that a forward adds.
  package var kept: Int { forwardToInput + forwardToWeight }
  /// Working space of the backward: what it makes, kept to the weight half or not.
  package var workingSpace: Int { inputToWeight + working }

  mutating func keep(_ name: String, _ bytes: Int, _ lifetime: TensorLifetime) {
    tensors.append(SavedTensor(name: name, bytes: bytes, lifetime: lifetime))
    switch lifetime {
    case .forwardToInput: forwardToInput += bytes
    case .forwardToWeight: forwardToWeight += bytes
    case .inputToWeight: inputToWeight += bytes
    }
  }

  mutating func work(_ bytes: Int) { working += bytes }
}
