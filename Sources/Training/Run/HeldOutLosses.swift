// What a run did to the loss on text that it was not trained on: a line of the closing report and
// losses.json of the run directory.

internal import JSON

/// Cross-entropies of the main model over the held-out text, in nats a token; nil where there is
/// no such text.
package struct HeldOutLosses: Equatable, Sendable {
  /// Before training; also nil in a run that goes on.
  package var before: Double?
  package var after: Double?
  /// After training, with the mean of the weights; also nil when none is kept.
  package var averaged: Double?

  package init(before: Double? = nil, after: Double? = nil, averaged: Double? = nil) {
    self.before = before
    self.after = after
    self.averaged = averaged
  }

  /// Lines of the closing report.
  var lines: [String] {
    var lines: [String] = []
    if let after {
      let before = before.map { " (before training \(TextFormat.fixed($0, 4)))" } ?? ""
      lines.append("Held-out loss: \(TextFormat.fixed(after, 4)) nats per token" + before)
    }
    if let averaged {
      lines.append(
        "Held-out loss with the mean of the weights: \(TextFormat.fixed(averaged, 4)) nats per "
          + "token")
    }
    return lines
  }

  /// losses.json; null for a loss that is not finite, too.
  package var json: String {
    let losses = [
      "held_out_loss_before": before, "held_out_loss": after, "held_out_loss_ema": averaged,
    ]
    let value = JSONValue.object(
      losses.mapValues { loss in
        if let loss, loss.isFinite { .number(loss) } else { .null }
      })
    return String(decoding: value.text(), as: UTF8.self)
  }
}
