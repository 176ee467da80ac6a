// /metrics: Prometheus' text format, version 0.0.4, for the newest runs. Names and units as
// Prometheus wants them: base units, ratios instead of per cents, `_total` for what only goes up.

internal import Coordinator
internal import RunFiles

func prometheusReply(_ runs: [RunReader]) -> WebReply {
  var text = PrometheusText()
  text.family("dsv3_runs", .gauge, "Runs that are served here.")
  text.sample("dsv3_runs", [], Double(runs.count))
  for gauge in RunGauge.all {
    text.family(gauge.name, gauge.kind, gauge.help)
    for run in runs { text.sample(gauge.name, [("run", run.name)], gauge.value(run)) }
  }
  text.family("dsv3_state", .gauge, "1 for the state that the run is in.")
  for run in runs {
    text.sample("dsv3_state", [("run", run.name), ("state", run.view.state.rawValue)], 1)
  }
  text.family("dsv3_link_bytes", .gauge, "Bytes of the last step over simulated links.")
  for run in runs {
    for link in ["nvlink", "infiniband"] {
      text.sample(
        "dsv3_link_bytes", [("run", run.name), ("link", link)], run.metrics.last("\(link)_bytes"))
    }
  }
  ranks(of: runs, &text)
  return WebReply("text/plain; version=0.0.4; charset=utf-8", Array(text.text.utf8), tagged: false)
}

private func ranks(of runs: [RunReader], _ text: inout PrometheusText) {
  func each(
    _ name: String, _ help: String, _ samples: (RankBeat) -> [(kind: String?, value: Double)]
  ) {
    text.family(name, .gauge, help)
    for run in runs {
      for beat in run.view.beats {
        for (kind, value) in samples(beat) {
          let labels = [("run", run.name), ("rank", "\(beat.rank)")]
          text.sample(name, labels + (kind.map { [("kind", $0)] } ?? []), value)
        }
      }
    }
  }
  each("dsv3_memory_bytes", "Memory of a rank: tensors at the last peak, resident of the process.")
  {
    [("tensors", Double($0.tensorBytes)), ("resident", Double($0.residentBytes))]
  }
  each("dsv3_rank_step", "Step that a rank is in.") { [(nil, Double($0.step))] }
  each("dsv3_rank_beat_timestamp_seconds", "When a rank was last heard of.") { [(nil, $0.time)] }
}

/// A figure of a run.
private struct RunGauge: Sendable {
  var name: String
  var kind = PrometheusText.Kind.gauge
  var help: String
  var value: @Sendable (RunReader) -> Double?

  init(
    _ name: String, _ kind: PrometheusText.Kind = .gauge, _ help: String,
    _ value: @escaping @Sendable (RunReader) -> Double?
  ) {
    self.name = name
    self.kind = kind
    self.help = help
    self.value = value
  }

  /// The last value of a column of metrics.jsonl.
  init(_ name: String, column: String, _ help: String) {
    self.init(name, .gauge, help) { $0.metrics.last(column) }
  }

  static let all: [RunGauge] = [
    RunGauge("dsv3_up", .gauge, "Whether the run is at work.") {
      [.starting, .running].contains($0.view.state) ? 1 : 0
    },
    RunGauge("dsv3_step", column: "step", "Last step that is done."),
    RunGauge("dsv3_planned_steps", .gauge, "Steps of the plan.") {
      $0.view.totalSteps.map { Double($0) }
    },
    RunGauge("dsv3_ranks", .gauge, "Ranks of the run.") { $0.view.ranks.map { Double($0) } },
    RunGauge("dsv3_loss", column: "loss", "Cross-entropy of the main model, nats a token."),
    RunGauge("dsv3_mtp_loss", column: "mtp_loss", "Cross-entropy of multi-token prediction."),
    RunGauge("dsv3_balance_loss", column: "balance_loss", "Sequence-wise balance loss."),
    RunGauge("dsv3_gradient_norm", column: "grad_norm", "Norm of the whole gradient."),
    RunGauge("dsv3_learning_rate", column: "learning_rate", "Learning rate of the last step."),
    RunGauge("dsv3_tokens_total", .counter, "Tokens trained on.") { $0.metrics.totalTokens },
    RunGauge("dsv3_tokens_per_second", column: "tokens_per_second", "Speed of the last step."),
    RunGauge("dsv3_step_seconds", column: "wall_seconds", "Wall time of the last step."),
    RunGauge(
      "dsv3_virtual_step_seconds", column: "virtual_step_seconds",
      "Time of the last step on the simulated cluster."),
    RunGauge(
      "dsv3_virtual_tokens_per_second", column: "virtual_tokens_per_second",
      "Speed of the last step on the simulated cluster."),
    RunGauge("dsv3_mfu_ratio", column: "mfu", "Model FLOPs utilisation on the simulated cluster."),
    RunGauge(
      "dsv3_bubble_ratio", column: "bubble_fraction", "Bubble of the simulated step's time."),
    RunGauge(
      "dsv3_exposed_communication_seconds", column: "exposed_communication_seconds",
      "Waiting for exchanges in the simulated step."),
    RunGauge(
      "dsv3_expert_load_ratio", column: "max_expert_load_ratio",
      "Fullest expert over the mean of its layer."),
    RunGauge(
      "dsv3_peak_memory_bytes", column: "peak_memory_bytes",
      "Tensor bytes of the fullest rank at its peak."),
    RunGauge("dsv3_restarts_total", .counter, "Restarts of the job.") {
      Double($0.view.restarts)
    },
    RunGauge("dsv3_failures_total", .counter, "Failures of the job.") {
      Double($0.view.failures.count)
    },
    RunGauge("dsv3_written_timestamp_seconds", .gauge, "When the run last wrote anything.") {
      $0.view.lastWritten
    },
  ]
}

/// The format's text.
struct PrometheusText {
  enum Kind: String, Sendable { case gauge, counter }

  private(set) var text = ""

  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  /// Nothing for a value that isn't there.
  mutating func sample(_ name: String, _ labels: [(String, String)], _ value: Double?) {
    guard let value else { return }
    let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
    text += name + (list.isEmpty ? "" : "{\(list)}") + " \(Self.number(value))\n"
  }

  private static func escaped(_ label: String) -> String {
    var result = ""
    for scalar in label.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    return value.isInfinite ? (value < 0 ? "-Inf" : "+Inf") : JSONParts.text(value)
  }
}
