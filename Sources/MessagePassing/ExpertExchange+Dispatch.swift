// Dispatch: finding out where tokens go, hop one across nodes, hop two within the node, and the
// received tokens in canonical order.

/// A dispatch message: rows per segment, then experts, gates and rows of all of them, the rows as
/// `RowCopier`'s records.
struct DispatchMessage {
  let counts: UnsafeMutablePointer<Int32>
  let experts: UnsafeMutablePointer<Int32>
  let gates: UnsafeMutablePointer<Float>
  let rows: UnsafeMutableRawPointer

  /// The parts of a message in `buffer`, of `total` rows with `slots` experts each.
  init(_ buffer: ScratchBuffer, segments: Int, total: Int, slots: Int) {
    counts = buffer.integers
    experts = buffer.integers + segments
    gates = buffer.floats + segments + total * slots
    rows = buffer.base + 4 * (segments + 2 * total * slots)
  }

  /// As above, for a message that has arrived and says itself how many rows it has.
  init(received buffer: ScratchBuffer, segments: Int, slots: Int) {
    var total = 0
    for segment in 0..<segments { total += Int(buffer.integers[segment]) }
    self.init(buffer, segments: segments, total: total, slots: slots)
  }

  static func bytes(segments: Int, total: Int, slots: Int, rowBytes: Int) -> Int {
    4 * (segments + 2 * total * slots) + total * rowBytes
  }
}

extension ExpertExchange {
  /// Sources that this rank relays for, itself among them.
  var ownSources: [Int] { topology.sources[topology.ownLocal] }

  /// Lists the tokens that go to each node.
  func findNodes(of experts: UnsafePointer<Int32>, tokens: Int, in routes: RouteLists) {
    let slots = expertsPerToken
    let nodes = topology.members.count
    routes.experts.append(contentsOf: UnsafeBufferPointer(start: experts, count: tokens * slots))
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: nodes) { lastToken in
      lastToken.initialize(repeating: -1)
      for token in 0..<tokens {
        var first = nodes
        for slot in 0..<slots {
          let expert = Int(experts[token * slots + slot])
          precondition(
            expert >= 0 && expert < topology.ownerOfExpert.count,
            "token \(token) asks for expert \(expert) of \(topology.ownerOfExpert.count)")
          let node = topology.node[Int(topology.ownerOfExpert[expert])]
          first = min(first, node)
          if lastToken[node] != token {
            lastToken[node] = Int32(token)
            routes.nodeTokens[node].append(Int32(token))
          }
        }
        routes.firstNode.append(Int32(first))
      }
    }
  }

  /// Lists the rows of a segment that go to each rank of this node. Its experts must be there.
  private func findLocalRanks(of segment: Int, in routes: RouteLists) {
    let slots = expertsPerToken
    let locals = topology.local.count
    let rows = routes.segmentExperts[segment].count / slots
    routes.segmentRows[segment] = rows
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: locals) { lastRow in
      lastRow.initialize(repeating: -1)
      for row in 0..<rows {
        var first = locals
        for slot in 0..<slots {
          let expert = Int(routes.segmentExperts[segment][row * slots + slot])
          let owner = Int(topology.ownerOfExpert[expert])
          guard topology.node[owner] == topology.ownNode else { continue }
          let local = localIndex[owner]
          first = min(first, local)
          if lastRow[local] != row {
            lastRow[local] = Int32(row)
            routes.forwards[segment * locals + local].append(Int32(row))
          }
        }
        routes.firstLocal[segment].append(Int32(first))
      }
    }
  }

  func postDispatchReceives(
    _ flight: ExchangeInFlight, _ maxTokens: Int
  ) throws(MPIError) {
    for source in ownSources {
      let bytes = DispatchMessage.bytes(
        segments: 1, total: maxTokens, slots: expertsPerToken, rowBytes: outwardRows.bytes)
      flight.hopOne.buffers.append(
        source == group.rank ? nil : try flight.receive(bytes: bytes, from: source, hop: 1))
    }
    for (local, peer) in topology.local.enumerated() {
      let segments = topology.sources[local].count
      let bytes = DispatchMessage.bytes(
        segments: segments, total: segments * maxTokens, slots: expertsPerToken,
        rowBytes: outwardRows.bytes)
      flight.hopTwo.buffers.append(
        peer == group.rank ? nil : try flight.receive(bytes: bytes, from: peer, hop: 2))
    }
  }

  /// Hop one: each token once to each other node that has an expert of it.
  func sendDispatchAcross(_ flight: ExchangeInFlight) throws(MPIError) {
    guard let gates = flight.gates else { return }
    let slots = expertsPerToken
    let routes = flight.plan.routes
    for (node, relay) in topology.relayInNode.enumerated() where node != topology.ownNode {
      let tokens = routes.nodeTokens[node]
      let bytes = DispatchMessage.bytes(
        segments: 1, total: tokens.count, slots: slots, rowBytes: outwardRows.bytes)
      let buffer = flight.sendBuffer(bytes: bytes)
      let message = DispatchMessage(buffer, segments: 1, total: tokens.count, slots: slots)
      message.counts[0] = Int32(tokens.count)
      for (row, token) in tokens.enumerated() {
        let from = Int(token)
        for slot in 0..<slots {
          message.experts[row * slots + slot] = routes.experts[from * slots + slot]
        }
        copyFloats(message.gates + row * slots, gates + from * slots, slots)
        outwardRows.copy(
          from: .memory(flight.rows), at: from, to: .records(message.rows), at: row)
      }
      try flight.send(buffer, bytes: bytes, to: relay, hop: 1)
      count(
        payload: tokens.count * outwardRows.bytes, messageBytes: bytes, isOutward: true, to: relay)
    }
  }

  /// Hop two: what came for this node, and this rank's own tokens, once to each rank that has an
  /// expert of it.
  func forwardDispatch(_ flight: ExchangeInFlight) throws(MPIError) {
    let routes = flight.plan.routes
    let slots = expertsPerToken
    for (segment, source) in ownSources.enumerated() {
      if source == group.rank {
        for token in routes.nodeTokens[topology.ownNode] {
          for slot in 0..<slots {
            routes.segmentExperts[segment].append(routes.experts[Int(token) * slots + slot])
          }
        }
      } else if let buffer = flight.hopOne.buffers[segment] {
        let message = DispatchMessage(received: buffer, segments: 1, slots: slots)
        routes.segmentExperts[segment].append(
          contentsOf: UnsafeBufferPointer(
            start: message.experts, count: Int(message.counts[0]) * slots))
      }
      findLocalRanks(of: segment, in: routes)
    }
    for (local, peer) in topology.local.enumerated() where peer != group.rank {
      try sendDispatchWithin(flight, local: local, peer: peer)
    }
  }

  private func sendDispatchWithin(
    _ flight: ExchangeInFlight, local: Int, peer: Int
  ) throws(MPIError) {
    let routes = flight.plan.routes
    let slots = expertsPerToken
    let locals = topology.local.count
    let segments = ownSources.count
    let total = routes.rowsForwarded(to: local, of: locals, before: segments)
    let bytes = DispatchMessage.bytes(
      segments: segments, total: total, slots: slots, rowBytes: outwardRows.bytes)
    let buffer = flight.sendBuffer(bytes: bytes)
    let message = DispatchMessage(buffer, segments: segments, total: total, slots: slots)
    var at = 0
    for segment in 0..<segments {
      let forwards = routes.forwards[segment * locals + local]
      message.counts[segment] = Int32(forwards.count)
      let part = segmentParts(flight, segment)
      for row in forwards {
        for slot in 0..<slots {
          message.experts[at * slots + slot] =
            routes.segmentExperts[segment][Int(row) * slots + slot]
        }
        let from = part.place(row)
        copyFloats(message.gates + at * slots, part.gates + from * slots, slots)
        outwardRows.copy(from: part.rows, at: from, to: .records(message.rows), at: at)
        at += 1
      }
    }
    try flight.send(buffer, bytes: bytes, to: peer, hop: 2)
    count(payload: total * outwardRows.bytes, messageBytes: bytes, isOutward: true, to: peer)
  }

  /// Rows and gates of a segment of a dispatch: in the message that brought them, or the caller's.
  private struct SegmentParts {
    let rows: RowCopier.Source
    let gates: UnsafePointer<Float>
    /// Where row i of the segment lies, if not at i.
    let tokens: [Int32]?

    func place(_ row: Int32) -> Int { Int(tokens?[Int(row)] ?? row) }
  }

  private func segmentParts(_ flight: ExchangeInFlight, _ segment: Int) -> SegmentParts {
    if let buffer = flight.hopOne.buffers[segment] {
      let message = DispatchMessage(received: buffer, segments: 1, slots: expertsPerToken)
      return SegmentParts(
        rows: .records(message.rows), gates: UnsafePointer(message.gates), tokens: nil)
    }
    return SegmentParts(
      rows: .memory(flight.rows), gates: flight.gates ?? flight.rows.floats,
      tokens: flight.plan.routes.nodeTokens[topology.ownNode])
  }

  // MARK: The received tokens

  func unpackDispatch(
    _ flight: ExchangeInFlight, into place: ((Int) -> MutableTokenRows)?
  ) -> ReceivedTokens {
    let slots = expertsPerToken
    let count = countReceived(flight)
    var buffers = [pool.take(bytes: 4 * count * slots), pool.take(bytes: 4 * count * slots)]
    let experts = buffers[0].integers
    let gates = buffers[1].floats
    let rows: MutableTokenRows
    if let place {
      rows = place(count)
    } else {
      buffers.append(pool.take(bytes: count * hidden * outward.codeBytes))
      rows = MutableTokenRows(
        codes: buffers[2].base,
        scales: outward == .fp8 ? takeScales(count, in: &buffers) : nil)
    }
    let starts = flight.plan.routes.receivedStart
    for (local, sources) in topology.sources.enumerated() {
      guard let buffer = flight.hopTwo.buffers[local] else { continue }
      let message = DispatchMessage(received: buffer, segments: sources.count, slots: slots)
      var at = 0
      for (segment, source) in sources.enumerated() {
        let length = Int(message.counts[segment])
        let to = starts[source]
        outwardRows.copy(length, from: .records(message.rows), at: at, to: .memory(rows), at: to)
        for index in 0..<length * slots {
          keepOwn(
            message.experts[at * slots + index], message.gates[at * slots + index],
            at: to * slots + index, experts, gates)
        }
        at += length
      }
    }
    unpackOwnDispatch(flight, rows, experts, gates)
    return ReceivedTokens(
      plan: flight.plan, format: outward, tokenRows: TokenRows(rows),
      expertIDs: UnsafePointer(experts), gates: UnsafePointer(gates), isBorrowed: false,
      buffers: buffers, pool: pool)
  }

  private func takeScales(
    _ rows: Int, in buffers: inout [ScratchBuffer]
  ) -> UnsafeMutablePointer<Float> {
    let buffer = pool.take(bytes: 4 * rows * outward.scales(hidden: hidden))
    buffers.append(buffer)
    return buffer.floats
  }

  /// What this rank forwards to itself.
  private func unpackOwnDispatch(
    _ flight: ExchangeInFlight, _ rows: MutableTokenRows,
    _ experts: UnsafeMutablePointer<Int32>, _ gates: UnsafeMutablePointer<Float>
  ) {
    let slots = expertsPerToken
    let routes = flight.plan.routes
    let locals = topology.local.count
    for (segment, source) in ownSources.enumerated() {
      let part = segmentParts(flight, segment)
      var to = routes.receivedStart[source]
      for row in routes.forwards[segment * locals + topology.ownLocal] {
        let from = part.place(row)
        outwardRows.copy(from: part.rows, at: from, to: .memory(rows), at: to)
        for slot in 0..<slots {
          keepOwn(
            routes.segmentExperts[segment][Int(row) * slots + slot],
            part.gates[from * slots + slot], at: to * slots + slot, experts, gates)
        }
        to += 1
      }
    }
  }

  /// Writes the local index and the gate of an expert of this rank; -1 and 0 for any other.
  @inline(__always)
  private func keepOwn(
    _ expert: Int32, _ gate: Float, at index: Int, _ experts: UnsafeMutablePointer<Int32>,
    _ gates: UnsafeMutablePointer<Float>
  ) {
    let local = Int(expert) - group.rank * topology.expertsPerRank
    let isOwn = local >= 0 && local < topology.expertsPerRank
    experts[index] = isOwn ? Int32(local) : -1
    gates[index] = isOwn ? gate : 0
  }

  /// Fills in how many rows came from each source, and where they start; returns R.
  private func countReceived(_ flight: ExchangeInFlight) -> Int {
    let routes = flight.plan.routes
    let locals = topology.local.count
    for (local, sources) in topology.sources.enumerated() {
      for (segment, source) in sources.enumerated() {
        if let buffer = flight.hopTwo.buffers[local] {
          routes.receivedFrom[source] = Int(buffer.integers[segment])
        } else {
          routes.receivedFrom[source] =
            routes.forwards[segment * locals + topology.ownLocal].count
        }
      }
    }
    var total = 0
    for source in 0..<group.size {
      routes.receivedStart[source] = total
      total += routes.receivedFrom[source]
    }
    flight.plan.rowCount = total
    return total
  }

  /// Enters a message with `payload` bytes of token rows into the traffic; `isOutward` when they
  /// are on the way to experts.
  func count(payload: Int, messageBytes: Int, isOutward: Bool, to peer: Int) {
    if isOutward { traffic.outwardBytes += payload }
    if topology.fabricNode[peer] != topology.fabricNode[group.rank] {
      traffic.infinibandBytes += payload
    } else {
      traffic.nvlinkBytes += payload
    }
    traffic.metadataBytes += messageBytes - payload
  }
}

@inline(__always)
func copyFloats(
  _ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int
) {
  to.update(from: from, count: count)
}
