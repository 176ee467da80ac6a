// The kernel inventory against the trace of a training step, phase by phase.

import Simulation
import Testing

/// In the trace, transfers of the exchange run for 80.45 of the 124.3 ms in which compute is busy
/// (phases.csv).
private let transferShare = 80.452 / 124.286

@Suite struct CostsPhaseTests {
  /// Measured busy time is without launch gaps: 2 us for each kernel of the phase.
  @Test(arguments: 0..<6)
  func phasesTakeWhatWasMeasured(index: Int) throws {
    let (name, operations) = tracePhases[index]
    let costs = try traceCosts()
    let row = try #require(try calibrationTable("phases.csv").first { $0["phase"] == name })
    let measured = try #require(Double(row["mean_us"] ?? ""))
    let clean = try #require(Double(row["clean_us_overlapped_112SM_balanced"] ?? ""))
    let cleanAlone = try #require(Double(row["clean_us_alone_132SM"] ?? ""))
    let kernels = operations.reduce(0) {
      $0 + costs.compute($1.0, $1.1, layer: 10, tokens: 4096, expertRows: 32768, sms: 112).kernels
    }
    let overlapped = costs.microseconds(operations, sms: 112, overlap: transferShare)
    let alone = costs.microseconds(operations, sms: 132, overlap: 0)
    #expect(abs(overlapped / clean - 1) < 0.05)
    #expect(abs(alone / cleanAlone - 1) < 0.05)
    #expect(abs((overlapped - 2 * Double(kernels)) / measured - 1) < 0.05)
  }

  /// Four layers of an overlapped forward and backward, all compute: 126.86 ms.
  @Test func fourOverlappedLayersTakeWhatTheChunkTakes() throws {
    let costs = try traceCosts()
    let layer = tracePhases.reduce(0) {
      $0 + costs.microseconds($1.operations, sms: 112, overlap: transferShare)
    }
    #expect(abs(4 * layer / 126_863 - 1) < 0.02)
  }
}
