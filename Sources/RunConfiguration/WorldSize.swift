// The number of MPI ranks against the layout: when they differ, the message lists layouts that
// would fit the ranks, nearest to the wanted one first, as options to type.

package import ModelSpec

extension RunConfiguration {
  /// Ways of routing that a run can train with.
  private static let trainableRoutings: [Routing] = [.learned, .balanced]

  /// Checks that `size` MPI ranks can train with this layout, and with this routing.
  /// - Parameter spec: the model, so that only layouts it allows are proposed.
  /// - Throws: `ConfigurationError` (exit code 78) with layouts for `size` ranks.
  package func checkWorld(size: Int, spec: ModelSpec? = nil) throws(ConfigurationError) {
    guard Self.trainableRoutings.contains(routing) else {
      let list = Self.trainableRoutings.map(\.rawValue).joined(separator: " or ")
      throw error(
        at: "model.routing",
        "'\(routing.rawValue)' is for simulations; a run can train with \(list)")
    }
    guard size != layout.worldSize else { return }
    let ranks = size == 1 ? "1 MPI rank was" : "\(size) MPI ranks were"
    var text =
      "\(ranks) started, but layout.pipeline × layout.data = "
      + "\(layout.pipeline) × \(layout.data) needs \(layout.worldSize); "
      + "start \(layout.worldSize) (mpirun -n \(layout.worldSize)) or choose a layout for \(size):"
    var options = layouts(for: size, spec: spec).map(setOptions)
    if options.isEmpty, scheduleName != "1f1b" {
      var other = self
      other.schedule = .named("1f1b")
      options = other.layouts(for: size, spec: spec).map {
        "--set schedule.name=1f1b " + setOptions($0)
      }
    }
    if options.isEmpty {
      text += " none fits the model, the schedule and its micro-batches"
    }
    for option in options.prefix(4) { text += "\n  " + option }
    throw ConfigurationError(
      text, origin: origins["layout.pipeline"] ?? origins["layout.data"], keyPath: "layout")
  }

  /// The options that choose a layout.
  private func setOptions(_ layout: Layout) -> String {
    "--set layout.pipeline=\(layout.pipeline) --set layout.data=\(layout.data) "
      + "--set layout.expert=\(layout.expert)"
  }

  /// Layouts of `size` ranks that keep what this configuration fixes, nearest pipeline first;
  /// for each pipeline the widest expert group that is not wider than the wanted one, as far as
  /// the schedule can do it.
  package func layouts(for size: Int, spec: ModelSpec? = nil) -> [Layout] {
    guard size >= 1 else { return [] }
    var found: [Layout] = []
    for pipeline in 1...size where size.isMultiple(of: pipeline) {
      if let spec, pipeline > spec.layers { continue }
      guard canSchedule(pipeline: pipeline) else { continue }
      if let stageLayers, stageLayers.count != pipeline { continue }
      let data = size / pipeline
      let expert = (1...min(data, layout.expert)).last {
        data.isMultiple(of: $0) && (spec?.routedExperts ?? 0).isMultiple(of: $0)
      }
      found.append(
        Layout(
          pipeline: pipeline, data: data, expert: expert ?? 1, gpusPerNode: layout.gpusPerNode))
    }
    return found.sorted { ratio($0.pipeline) < ratio($1.pipeline) }
  }

  /// Whether the schedule known by name can do a pipeline of so many ranks; a file is not read.
  private func canSchedule(pipeline: Int) -> Bool {
    guard scheduleName != nil else { return pipeline == layout.pipeline }
    var other = self
    other.layout.pipeline = pipeline
    return (try? other.resolvedSchedule()) != nil
  }

  /// How far a pipeline is from the wanted one, in thousandths of a factor; at least 1000.
  private func ratio(_ pipeline: Int) -> Int {
    let (small, large) = (min(pipeline, layout.pipeline), max(pipeline, layout.pipeline))
    return large * 1000 / small
  }
}
