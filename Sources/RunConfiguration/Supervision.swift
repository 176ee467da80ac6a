// How a launched run is watched over, and the keys of section `supervision` of cluster.yaml.

/// What `dsv3 launch` does about a job that fails.
package struct Supervision: Equatable, Sendable {
  /// Seconds without progress of any rank after which the job counts as hung.
  package var timeout = 120.0
  /// Restarts in a row that bring no newer checkpoint.
  package var maxRestarts = 3
  /// Seconds before the first of them; each further one waits twice as long.
  package var backoff = 1.0
}

extension RunConfiguration {
  static let supervisionKeys: [SettingKey] = [
    SettingKey(
      "supervision.timeout", \.supervision.timeout, .positive, unit: "seconds",
      "A launched job of which no rank makes progress for so long counts as hung."),
    SettingKey(
      "supervision.max_restarts", \.supervision.maxRestarts, .integer(0...SizeLimit.steps),
      unit: "restarts",
      "A launched job that fails is started again so many times; a new checkpoint starts the count "
        + "anew."),
    SettingKey(
      "supervision.backoff", \.supervision.backoff, .notNegative, unit: "seconds",
      "Wait before the first restart; each further one waits twice as long, at most a minute."),
  ]
}
