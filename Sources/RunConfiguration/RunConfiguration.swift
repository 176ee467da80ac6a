// Everything a run is told: model, simulated cluster, layout, schedule, training, data,
// checkpoints. The defaults stand here (those of training in TrainingPlan); what each key of
// cluster.yaml is called, means and may be stands in Schema.swift.

package import ModelSpec
import Schedules

/// Where the model's dimensions come from.
package enum ModelSource: Equatable, Sendable {
  /// A model that dsv3 knows by name.
  case preset(String)
  /// A directory with Hugging Face's config.json (and weights, if any).
  case path(String)
}

/// Where the pipeline schedule comes from.
package enum ScheduleSelection: Equatable, Sendable {
  /// A generator, by name.
  case named(String)
  /// A file in the pipeline CSV format.
  case file(String)
}

/// How tokens find their experts.
package enum Routing: String, Sendable, CaseIterable {
  /// By the trained router.
  case learned
  /// All experts get the same number of tokens.
  case balanced
  /// Drawn by the popularity of the experts; only in a simulation.
  case sampled
}

/// How tokens travel to their experts' ranks and back.
package enum TokenRoute: String, Sendable, CaseIterable {
  /// Once per target node over InfiniBand, then on over NVLink (section 3.2.2 of the report).
  case twoHop = "two-hop"
  /// From rank to rank at once; the reference.
  case direct
}

/// How text becomes tokens.
package enum TokenizerKind: String, Sendable, CaseIterable {
  /// One token a byte, and a few special ones.
  case bytes
}

/// A run's configuration. A plain value; `load(path:overrides:)` fills it.
package struct RunConfiguration: Sendable {
  package var modelSource = ModelSource.preset("dsv3-mini")
  /// Tokens of the vocabulary, or nil for the model's own number.
  package var vocabularySize: Int?
  /// Standard deviation of new weights, or nil for the model's own.
  package var initializerRange: Double?
  /// MTP modules, or nil for the model's own number.
  package var mtpDepth: Int? = 1
  /// Dimensions that differ from the preset's or config.json's.
  package var dimensions = DimensionOverrides()
  /// Name of the model whose shapes the virtual clock charges, or nil for the run's own.
  package var chargeAs: String? = "deepseek-v3"
  /// Tokens of a sequence that the virtual clock charges, or nil for `chargedSequenceLength`'s
  /// default.
  package var chargeSequence: Int?
  package var chargePrecision = ChargedPrecision.fp8
  package var routing = Routing.learned
  /// Coefficient of variation of an expert's popularity under sampled routing.
  package var routingSkew = 0.0
  /// Decides what is drawn under sampled routing.
  package var routingSeed: UInt64 = 1

  /// Name of the simulated hardware.
  package var clusterPreset = "h800"
  /// Constants that differ from the preset's.
  package var cluster = ClusterOverrides()
  package var layout = Layout(pipeline: 4, data: 4, expert: 4, gpusPerNode: 2)
  /// Layers of each stage in order, or nil to balance the stages by FLOPs.
  package var stageLayers: [Int]?
  package var exchange = TokenRoute.twoHop
  package var schedule = ScheduleSelection.named("dualpipe")
  /// Chunks of the model on a rank under the interleaved schedules.
  package var scheduleChunks = ScheduleCatalog.standardChunks

  /// Hyper-parameters, with the micro-batches of `schedule.microbatches` and the MTP convention
  /// of `model.mtp.convention`.
  package var plan = TrainingPlan()

  /// Files and directories of text.
  package var dataSources = ["docs", "Sources", "README.md"]
  package var tokenizer = TokenizerKind.bytes
  /// Share of the text's bytes that is not trained on.
  package var heldOutShare = 0.05

  /// Steps between checkpoints; 0 writes none.
  package var checkpointEvery = 50
  /// Checkpoints kept; older ones are deleted.
  package var checkpointKeep = 2
  package var supervision = Supervision()
  /// What is made to go wrong.
  package var faults: [Fault] = []
  /// Whether a simulation does ranks that do the same only once.
  package var foldsSimulation = false
  /// Steps between recorded workloads that are kept; nil keeps that of the last step, 0 none.
  package var recordEvery: Int?
  /// Directory of the run's output, or nil for `runs/<date>-<time>/`.
  package var runDirectory: String?

  /// Where each given key was written, by dotted path. Not part of what the value means.
  var origins: [String: Origin] = [:]

  /// All defaults.
  package init() {}
}

extension RunConfiguration: Equatable {
  /// Whether every key has the same value, wherever it was given.
  package static func == (a: RunConfiguration, b: RunConfiguration) -> Bool {
    schema.allSatisfy { $0.value(a) == $0.value(b) }
  }
}

extension RunConfiguration {
  /// The preset's name when the model comes from one.
  package var modelPreset: String? {
    get { if case .preset(let name) = modelSource { name } else { nil } }
    set { if let newValue { modelSource = .preset(newValue) } }
  }

  /// The directory when the model comes from one.
  package var modelPath: String? {
    get { if case .path(let path) = modelSource { path } else { nil } }
    set { if let newValue { modelSource = .path(newValue) } }
  }

  /// The generator's name when the schedule comes from one.
  package var scheduleName: String? {
    get { if case .named(let name) = schedule { name } else { nil } }
    set { if let newValue { schedule = .named(newValue) } }
  }

  /// The file when the schedule comes from one.
  package var scheduleFile: String? {
    get { if case .file(let path) = schedule { path } else { nil } }
    set { if let newValue { schedule = .file(newValue) } }
  }
}
