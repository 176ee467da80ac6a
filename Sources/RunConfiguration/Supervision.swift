// How a run is watched over, and what is made to go wrong in it: the keys below `supervision`, and
// `faults`.

/// What the launcher does about a job that fails, and how ranks are compared.
package struct Supervision: Equatable, Sendable {
  /// Seconds in which some rank must make progress, or the job counts as hung.
  package var timeout = 120.0
  package var maxRestarts = 3
  /// Seconds before the first restart, doubled each time.
  package var backoff = 1.0
  /// Steps between comparisons of the ranks that hold the same weights; 0: before checkpoints only.
  package var compareHolders = 10

  package init() {}
}

extension RunConfiguration {
  static let supervisionKeys: [SettingKey] = [
    SettingKey(
      "supervision.timeout", \.supervision.timeout, .positive, unit: "seconds",
      "Time without progress of any rank after which 'dsv3 launch' takes the job for hung."),
    SettingKey(
      "supervision.max_restarts", \.supervision.maxRestarts, .integer(0...SizeLimit.steps),
      unit: "restarts",
      "How often in a row 'dsv3 launch' starts a failed job again; a newer checkpoint starts the "
        + "count anew."),
    SettingKey(
      "supervision.backoff", \.supervision.backoff, .notNegative, unit: "seconds",
      "Wait before the first restart, doubled for each further one up to a minute."),
    SettingKey(
      "supervision.compare_holders", \.supervision.compareHolders, .integer(0...SizeLimit.steps),
      unit: "steps",
      "Steps between comparisons of ranks that hold the same weights, which tell silent "
        + "corruption; 0 compares before checkpoints only."),
    SettingKey(
      "faults", \.faults, .faults,
      "What is made to go wrong, once each: kill, hang, nan, flip RANK at STEP; slow RANK at STEP "
        + "by FACTOR; corrupt at STEP."),
  ]
}
