// Combine and gather: rows go back the way they came. A relay adds up the rows of its node's ranks
// in ascending order and sends one row per token; the source adds up nodes in ascending order. A
// gather's rows carry the gates' gradients behind them, which are placed, not added.

extension ExpertExchange {
  /// Floats of a row in a message.
  private func width(_ flight: ExchangeInFlight) -> Int {
    flight.kind == .gather ? hidden + expertsPerToken : hidden
  }

  private func bytes(_ flight: ExchangeInFlight, rows: Int) -> Int {
    rows * width(flight) * MemoryLayout<Float>.size
  }

  func startInward(_ flight: ExchangeInFlight) throws(MPIError) -> ExchangeInFlight {
    if isAlone { return flight }
    try postInwardReceives(flight)
    let routes = flight.plan.routes
    for (local, relay) in topology.local.enumerated() where relay != group.rank {
      let sources = topology.sources[local]
      let rows = routes.rowsReceived(from: sources)
      guard rows > 0 else { continue }
      let buffer = flight.sendBuffer(bytes: bytes(flight, rows: rows))
      var to = buffer.floats
      for source in sources {
        let start = routes.receivedStart[source]
        to = pack(flight, start..<start + routes.receivedFrom[source], into: to)
      }
      try flight.send(buffer, bytes: bytes(flight, rows: rows), to: relay, hop: 2)
      count(rows: rows, messageBytes: bytes(flight, rows: rows), to: relay)
    }
    try launch(flight)
    return flight
  }

  /// Copies received rows `range` (and their gates' gradients) into a message; returns its end.
  private func pack(
    _ flight: ExchangeInFlight, _ range: Range<Int>, into message: UnsafeMutablePointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    guard let gates = flight.gates else {
      copyFloats(message, flight.rows + range.lowerBound * hidden, range.count * hidden)
      return message + range.count * hidden
    }
    var to = message
    for row in range {
      copyFloats(to, flight.rows + row * hidden, hidden)
      copyFloats(to + hidden, gates + row * expertsPerToken, expertsPerToken)
      to += hidden + expertsPerToken
    }
    return to
  }

  private func postInwardReceives(_ flight: ExchangeInFlight) throws(MPIError) {
    let routes = flight.plan.routes
    for (node, relay) in topology.relayInNode.enumerated() {
      let rows = node == topology.ownNode ? 0 : routes.nodeTokens[node].count
      flight.hopOne.buffers.append(
        rows == 0
          ? nil : try flight.receive(bytes: bytes(flight, rows: rows), from: relay, hop: 1))
    }
    for (local, peer) in topology.local.enumerated() {
      let rows =
        peer == group.rank
        ? 0
        : routes.rowsForwarded(to: local, of: topology.local.count, before: ownSources.count)
      flight.hopTwo.buffers.append(
        rows == 0
          ? nil : try flight.receive(bytes: bytes(flight, rows: rows), from: peer, hop: 2))
    }
  }

  /// All rows of this node are here: sums per source, and those of other nodes' sources sent.
  func forwardInward(_ flight: ExchangeInFlight) throws(MPIError) {
    // With one node, finish adds up straight into the caller's memory.
    guard topology.members.count > 1 else { return }
    let stride = width(flight)
    for (segment, source) in ownSources.enumerated() {
      let rows = flight.plan.routes.segmentRows[segment]
      guard rows > 0 else { continue }
      let size = bytes(flight, rows: rows)
      let isOwn = source == group.rank
      let sum = isOwn ? pool.take(bytes: size) : flight.sendBuffer(bytes: size)
      addUp(
        flight, segment, rows: sum.floats, rowStride: stride, gates: sum.floats + hidden,
        gateStride: stride)
      if isOwn {
        flight.ownPartial = sum
      } else {
        try flight.send(sum, bytes: size, to: source, hop: 1)
        count(rows: rows, messageBytes: size, to: source)
      }
    }
  }

  /// Sum of a segment's rows over the ranks of this node, ascending.
  private func addUp(
    _ flight: ExchangeInFlight, _ segment: Int, rows: UnsafeMutablePointer<Float>,
    rowStride: Int, gates: UnsafeMutablePointer<Float>, gateStride: Int
  ) {
    let routes = flight.plan.routes
    let locals = topology.local.count
    for local in 0..<locals {
      let forwards = routes.forwards[segment * locals + local]
      guard !forwards.isEmpty else { continue }
      var from: UnsafePointer<Float>
      var fromGates: UnsafePointer<Float>
      var fromStride = width(flight)
      var fromGateStride = fromStride
      if let buffer = flight.hopTwo.buffers[local] {
        let before = routes.rowsForwarded(to: local, of: locals, before: segment)
        from = UnsafePointer(buffer.floats) + before * fromStride
        fromGates = from + hidden
      } else {
        let start = routes.receivedStart[ownSources[segment]]
        fromStride = hidden
        fromGateStride = expertsPerToken
        from = flight.rows + start * hidden
        fromGates = (flight.gates ?? flight.rows) + start * expertsPerToken
      }
      for row in forwards.lazy.map({ Int($0) }) {
        let isFirst = routes.firstLocal[segment][row] == local
        accumulate(rows + row * rowStride, from, hidden, isFirst: isFirst)
        if flight.kind == .gather {
          placeGates(
            gates + row * gateStride, fromGates, isFirst: isFirst,
            experts: routes.segmentExperts[segment], at: row * expertsPerToken
          ) { owner in owner == topology.local[local] }
        }
        from += fromStride
        fromGates += fromGateStride
      }
    }
  }

  func finishInward(
    _ flight: ExchangeInFlight, into sums: UnsafeMutablePointer<Float>,
    gates: UnsafeMutablePointer<Float>?
  ) throws(MPIError) {
    if isAlone {
      flight.isFinished = true
      let tokens = flight.plan.tokens
      if flight.rows != UnsafePointer(sums) { copyFloats(sums, flight.rows, tokens * hidden) }
      if let gates, let from = flight.gates { copyFloats(gates, from, tokens * expertsPerToken) }
      return
    }
    try arrive(flight)
    if topology.members.count == 1 {
      addUp(
        flight, 0, rows: sums, rowStride: hidden, gates: gates ?? sums,
        gateStride: expertsPerToken)
    } else {
      addUpNodes(flight, into: sums, gates: gates)
    }
    retire(flight)
  }

  /// Sum over nodes, ascending.
  private func addUpNodes(
    _ flight: ExchangeInFlight, into sums: UnsafeMutablePointer<Float>,
    gates: UnsafeMutablePointer<Float>?
  ) {
    let routes = flight.plan.routes
    let stride = width(flight)
    for node in topology.members.indices {
      let buffer = node == topology.ownNode ? flight.ownPartial : flight.hopOne.buffers[node]
      guard let buffer else { continue }
      var from = UnsafePointer(buffer.floats)
      for token in routes.nodeTokens[node].lazy.map({ Int($0) }) {
        let isFirst = routes.firstNode[token] == node
        accumulate(sums + token * hidden, from, hidden, isFirst: isFirst)
        if let gates {
          placeGates(
            gates + token * expertsPerToken, from + hidden, isFirst: isFirst,
            experts: routes.experts, at: token * expertsPerToken
          ) { owner in topology.node[owner] == node }
        }
        from += stride
      }
    }
  }

  @inline(__always)
  private func accumulate(
    _ sum: UnsafeMutablePointer<Float>, _ term: UnsafePointer<Float>, _ count: Int, isFirst: Bool
  ) {
    if isFirst { copyFloats(sum, term, count) } else { addFloats(sum, term, count) }
  }

  /// Copies the slots whose expert's owner `isSource`; the first source of a row zeroes the rest.
  @inline(__always)
  private func placeGates(
    _ gates: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, isFirst: Bool,
    experts: [Int32], at start: Int, _ isSource: (Int) -> Bool
  ) {
    for slot in 0..<expertsPerToken {
      let owner = Int(topology.ownerOfExpert[Int(experts[start + slot])])
      if isSource(owner) {
        gates[slot] = from[slot]
      } else if isFirst {
        gates[slot] = 0
      }
    }
  }
}
