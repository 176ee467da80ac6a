// The first lines of a rank's log: who it is, where it runs, and what it holds.

import Glibc
import MessagePassing
import Model
import ModelSpec
import Training

/// Ranks, host, stages, experts and sizes of one rank, in a few lines.
func description(of trainer: Trainer) -> String {
  let (setup, model) = (trainer.setup, trainer.model)
  let (layout, spec) = (setup.layout, setup.spec)
  let rank = trainer.world.rank
  let stages = model.stageNumbers.map { stage in
    let layers = setup.stages[stage]
    let isLast = layers.upperBound == spec.layers && spec.mtpDepth > 0
    if layers.isEmpty { return "stage \(stage) (no layers)" }
    return "stage \(stage) (layers \(layers.lowerBound)–\(layers.upperBound - 1)"
      + (isLast ? " and \(spec.mtpDepth) MTP)" : ")")
  }
  let experts = model.placement.experts(of: rank)
  let shard = trainer.optimizer.groups.reduce(0) { $0 + $1.own.count }
  return """
    \(timestamp()) rank \(rank) of \(trainer.world.size) on \(hostName()), process \(getpid())
    pipeline rank \(layout.pipelineRank(of: rank)), data rank \(layout.dataRank(of: rank)), \
    expert rank \(layout.expertRank(of: rank)), node \(layout.node(of: rank))
    holds \(stages.joined(separator: ", ")), \
    experts \(experts.lowerBound)–\(experts.upperBound - 1) of \(spec.routedExperts)
    \(model.store.parameterCount) parameters in \(model.groups.count) groups, the optimizer's \
    shard \(shard) of them

    """
}

private func hostName() -> String {
  var name = [CChar](repeating: 0, count: 256)
  guard gethostname(&name, name.count - 1) == 0 else { return "an unnamed host" }
  return name.withUnsafeBufferPointer { buffer in
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// Local time in ISO 8601 with its offset.
private func timestamp() -> String {
  var now = time(nil)
  var parts = tm()
  localtime_r(&now, &parts)
  var buffer = [CChar](repeating: 0, count: 40)
  let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S%z", &parts)
  return String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
