// Scatter, the backward of combine: rows go the way of the dispatch once more. All sizes are known,
// so messages are rows and nothing else.

extension ExpertExchange {
  func postScatterReceives(_ flight: ExchangeInFlight) throws(MPIError) {
    let routes = flight.plan.routes
    for (segment, source) in ownSources.enumerated() {
      let bytes = routes.segmentRows[segment] * outwardRows.bytes
      flight.hopOne.buffers.append(
        source == group.rank || bytes == 0
          ? nil : try flight.receive(bytes: bytes, from: source, hop: 1))
    }
    for (local, peer) in topology.local.enumerated() {
      let rows = routes.rowsReceived(from: topology.sources[local])
      let bytes = rows * outwardRows.bytes
      flight.hopTwo.buffers.append(
        peer == group.rank || bytes == 0
          ? nil : try flight.receive(bytes: bytes, from: peer, hop: 2))
    }
  }

  func sendScatterAcross(_ flight: ExchangeInFlight) throws(MPIError) {
    for (node, relay) in topology.relayInNode.enumerated() where node != topology.ownNode {
      let tokens = flight.plan.routes.nodeTokens[node]
      guard !tokens.isEmpty else { continue }
      let bytes = tokens.count * outwardRows.bytes
      let buffer = flight.sendBuffer(bytes: bytes)
      for (row, token) in tokens.enumerated() {
        outwardRows.copy(
          from: .memory(flight.rows), at: Int(token), to: .records(buffer.base), at: row)
      }
      try flight.send(buffer, bytes: bytes, to: relay, hop: 1)
      count(payload: bytes, messageBytes: bytes, isOutward: true, to: relay)
    }
  }

  func forwardScatter(_ flight: ExchangeInFlight) throws(MPIError) {
    let routes = flight.plan.routes
    let locals = topology.local.count
    let segments = ownSources.count
    for (local, peer) in topology.local.enumerated() where peer != group.rank {
      let total = routes.rowsForwarded(to: local, of: locals, before: segments)
      guard total > 0 else { continue }
      let bytes = total * outwardRows.bytes
      let buffer = flight.sendBuffer(bytes: bytes)
      var to = 0
      for segment in 0..<segments {
        copySegment(flight, segment, local: local, to: .records(buffer.base), at: to)
        to += routes.forwards[segment * locals + local].count
      }
      try flight.send(buffer, bytes: bytes, to: peer, hop: 2)
      count(payload: bytes, messageBytes: bytes, isOutward: true, to: peer)
    }
  }

  /// Copies the rows of a segment that go to a local rank.
  private func copySegment(
    _ flight: ExchangeInFlight, _ segment: Int, local: Int, to target: RowCopier.Target,
    at start: Int
  ) {
    let routes = flight.plan.routes
    let forwards = routes.forwards[segment * topology.local.count + local]
    if ownSources[segment] == group.rank {
      let tokens = routes.nodeTokens[topology.ownNode]
      for (index, row) in forwards.enumerated() {
        outwardRows.copy(
          from: .memory(flight.rows), at: Int(tokens[Int(row)]), to: target, at: start + index)
      }
    } else if let buffer = flight.hopOne.buffers[segment] {
      for (index, row) in forwards.enumerated() {
        outwardRows.copy(
          from: .records(buffer.base), at: Int(row), to: target, at: start + index)
      }
    }
  }

  func unpackScatter(_ flight: ExchangeInFlight, into rows: MutableTokenRows) {
    let routes = flight.plan.routes
    for (local, sources) in topology.sources.enumerated() {
      if local == topology.ownLocal {
        for (segment, source) in sources.enumerated() {
          copySegment(
            flight, segment, local: local, to: .memory(rows), at: routes.receivedStart[source])
        }
      } else if let buffer = flight.hopTwo.buffers[local] {
        var from = 0
        for source in sources {
          let length = routes.receivedFrom[source]
          outwardRows.copy(
            length, from: .records(buffer.base), at: from, to: .memory(rows),
            at: routes.receivedStart[source])
          from += length
        }
      }
    }
  }
}
