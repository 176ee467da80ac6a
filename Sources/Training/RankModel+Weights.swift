// Reading a rank's weights from a Hugging Face directory: of every tensor only what lives here.

internal import Kernels
package import Model
internal import ModelSpec

extension RankModel {
  /// Replaces all weights and router biases by those of the directory.
  package func load(_ directory: HuggingFaceDirectory) throws(CheckpointError) {
    let memory = tensors
    try directory.loadParameters(of: placement.spec) { (parameter) throws(CheckpointError) in
      memory[parameter.name]
    }
  }

  /// Memory of all weights and router biases of this rank, by name in a checkpoint.
  var tensors: [String: UnsafeMutableBufferPointer<Float>] {
    var memory: [String: UnsafeMutableBufferPointer<Float>] = [:]
    for group in store.groups {
      for parameter in group.parameters {
        memory[parameter.name] = .init(
          start: parameter.value.base, count: parameter.shape.count)
      }
    }
    // Both holders of a stage, and both stages of a rank, have routers of their own.
    for stage in stageNumbers {
      for (layer, router) in routers(stage: stage) {
        memory[ModelParameters.biasName(layer: layer)] = router.bias.buffer
      }
    }
    return memory
  }
}
