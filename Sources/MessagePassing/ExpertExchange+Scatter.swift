// Scatter, the backward of combine: rows go the way of the dispatch once more. All sizes are known,
// so messages are rows and nothing else.

extension ExpertExchange {
  func postScatterReceives(_ flight: ExchangeInFlight) throws(MPIError) {
    let routes = flight.plan.routes
    for (segment, source) in ownSources.enumerated() {
      let bytes = routes.segmentRows[segment] * hidden * MemoryLayout<Float>.size
      flight.hopOne.buffers.append(
        source == group.rank || bytes == 0
          ? nil : try flight.receive(bytes: bytes, from: source, hop: 1))
    }
    for (local, peer) in topology.local.enumerated() {
      let rows = routes.rowsReceived(from: topology.sources[local])
      let bytes = rows * hidden * MemoryLayout<Float>.size
      flight.hopTwo.buffers.append(
        peer == group.rank || bytes == 0
          ? nil : try flight.receive(bytes: bytes, from: peer, hop: 2))
    }
  }

  func sendScatterAcross(_ flight: ExchangeInFlight) throws(MPIError) {
    for (node, relay) in topology.relayInNode.enumerated() where node != topology.ownNode {
      let tokens = flight.plan.routes.nodeTokens[node]
      guard !tokens.isEmpty else { continue }
      let bytes = tokens.count * hidden * MemoryLayout<Float>.size
      let buffer = flight.sendBuffer(bytes: bytes)
      var to = buffer.floats
      for token in tokens {
        copyFloats(to, flight.rows + Int(token) * hidden, hidden)
        to += hidden
      }
      try flight.send(buffer, bytes: bytes, to: relay, hop: 1)
      count(rows: tokens.count, messageBytes: bytes, to: relay)
    }
  }

  func forwardScatter(_ flight: ExchangeInFlight) throws(MPIError) {
    let routes = flight.plan.routes
    let locals = topology.local.count
    let segments = ownSources.count
    for (local, peer) in topology.local.enumerated() where peer != group.rank {
      let total = routes.rowsForwarded(to: local, of: locals, before: segments)
      guard total > 0 else { continue }
      let bytes = total * hidden * MemoryLayout<Float>.size
      let buffer = flight.sendBuffer(bytes: bytes)
      var to = buffer.floats
      for segment in 0..<segments {
        copySegment(flight, segment, local: local, into: to)
        to += routes.forwards[segment * locals + local].count * hidden
      }
      try flight.send(buffer, bytes: bytes, to: peer, hop: 2)
      count(rows: total, messageBytes: bytes, to: peer)
    }
  }

  /// Copies the rows of a segment that go to a local rank.
  private func copySegment(
    _ flight: ExchangeInFlight, _ segment: Int, local: Int,
    into rows: UnsafeMutablePointer<Float>
  ) {
    let routes = flight.plan.routes
    let forwards = routes.forwards[segment * topology.local.count + local]
    var to = rows
    if ownSources[segment] == group.rank {
      let tokens = routes.nodeTokens[topology.ownNode]
      for row in forwards {
        copyFloats(to, flight.rows + Int(tokens[Int(row)]) * hidden, hidden)
        to += hidden
      }
    } else if let buffer = flight.hopOne.buffers[segment] {
      for row in forwards {
        copyFloats(to, buffer.floats + Int(row) * hidden, hidden)
        to += hidden
      }
    }
  }

  func unpackScatter(_ flight: ExchangeInFlight, into rows: UnsafeMutablePointer<Float>) {
    let routes = flight.plan.routes
    for (local, sources) in topology.sources.enumerated() {
      if local == topology.ownLocal {
        for (segment, source) in sources.enumerated() {
          copySegment(
            flight, segment, local: local, into: rows + routes.receivedStart[source] * hidden)
        }
      } else if let buffer = flight.hopTwo.buffers[local] {
        var from = buffer.floats
        for source in sources {
          let length = routes.receivedFrom[source] * hidden
          copyFloats(rows + routes.receivedStart[source] * hidden, from, length)
          from += length
        }
      }
    }
  }
}
