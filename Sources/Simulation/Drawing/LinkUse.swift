// How busy the links are over time: bytes of the traced ranks' events, spread evenly over each
// event, over what their ports could have carried.

internal import Units

/// Use of one kind of port by time, as shares of its bandwidth.
struct LinkUse {
  /// By bin, the mean over the traced ranks.
  private(set) var shares: [Double]

  /// - Parameters:
  ///   - bytes: which of an event's bytes count.
  ///   - bandwidth: of a port.
  init(
    _ outcome: StepOutcome, ranks: Int, bins: Int, bandwidth: Bandwidth,
    _ bytes: (PortBytes) -> Int64
  ) {
    shares = Array(repeating: 0, count: bins)
    let end = outcome.end.picoseconds
    guard end > 0, ranks > 0 else { return }
    let binTime = Double(end) / Double(bins)
    for event in outcome.timeline.events where bytes(event.bytes) > 0 {
      spread(
        Double(bytes(event.bytes)), from: Double(event.start.picoseconds) / binTime,
        to: Double(event.end.picoseconds) / binTime)
    }
    let capacity = bandwidth.bytesPerSecond * binTime / 1e12 * Double(ranks)
    for bin in shares.indices { shares[bin] /= capacity }
  }

  /// Adds bytes to bins; places in units of bins.
  private mutating func spread(_ bytes: Double, from: Double, to: Double) {
    let last = shares.count - 1
    let (first, final) = (min(Int(from), last), min(Int(to), last))
    guard first < final else {
      shares[first] += bytes
      return
    }
    let rate = bytes / (to - from)
    shares[first] += rate * (Double(first + 1) - from)
    for bin in (first + 1)..<final { shares[bin] += rate }
    shares[final] += rate * (to - Double(final))
  }

  var mean: Double { shares.isEmpty ? 0 : shares.reduce(0, +) / Double(shares.count) }
  var peak: Double { shares.max() ?? 0 }
}
