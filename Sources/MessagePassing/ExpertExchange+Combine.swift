// Combine and gather: rows go back the way they came. A relay adds up the rows of its node's ranks
// in ascending order and sends one row per token; the source adds up nodes in ascending order. A
// gather's message opens with the gates' gradients, which are placed, not added.

import NumberFormats

/// A message of combine or gather: the gates' gradients, [rows, expertsPerToken], if it has any,
/// and rows, [rows, hidden], in the format `inward`.
private struct InwardMessage {
  let gates: UnsafeMutablePointer<Float>
  let rows: UnsafeMutableRawPointer
}

/// Rows to be added.
private enum Terms {
  case floats(UnsafePointer<Float>)
  /// BF16.
  case codes(UnsafeRawPointer)
  /// FP32 that counts as the BF16 it would have travelled as.
  case roundedFloats(UnsafePointer<Float>)
}

extension ExpertExchange {
  private func gateSlots(_ flight: ExchangeInFlight) -> Int {
    flight.kind == .gather ? expertsPerToken : 0
  }

  private func bytes(_ flight: ExchangeInFlight, rows: Int) -> Int {
    rows * (gateSlots(flight) * MemoryLayout<Float>.size + inward.bytes(hidden: hidden))
  }

  /// The parts of a message in `buffer`, of `total` rows.
  private func message(
    _ flight: ExchangeInFlight, in buffer: ScratchBuffer, total: Int
  ) -> InwardMessage {
    InwardMessage(
      gates: buffer.floats,
      rows: buffer.base + total * gateSlots(flight) * MemoryLayout<Float>.size)
  }

  private func send(
    _ flight: ExchangeInFlight, _ buffer: ScratchBuffer, rows: Int, to peer: Int, hop: Int
  ) throws(MPIError) {
    let size = bytes(flight, rows: rows)
    try flight.send(buffer, bytes: size, to: peer, hop: hop)
    count(
      payload: rows * inward.bytes(hidden: hidden), messageBytes: size, isOutward: false, to: peer)
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
      let message = message(flight, in: buffer, total: rows)
      var at = 0
      for source in sources {
        let (start, length) = (routes.receivedStart[source], routes.receivedFrom[source])
        encode(flight.rows.floats + start * hidden, rows: length, into: message.rows, at: at)
        if let gates = flight.gates {
          copyFloats(
            message.gates + at * expertsPerToken, gates + start * expertsPerToken,
            length * expertsPerToken)
        }
        at += length
      }
      try send(flight, buffer, rows: rows, to: relay, hop: 2)
    }
    try launch(flight)
    return flight
  }

  /// Writes rows of FP32 as they travel, from the message's row `at` on.
  private func encode(
    _ floats: UnsafePointer<Float>, rows: Int, into message: UnsafeMutableRawPointer, at: Int
  ) {
    let to = message + at * inward.bytes(hidden: hidden)
    if inward == .bf16 {
      NumberFormat.bf16.encode(floats, count: rows * hidden, into: to, overflow: .escape)
    } else {
      to.copyMemory(from: floats, byteCount: rows * hidden * MemoryLayout<Float>.size)
    }
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
      let rows = peer == group.rank ? 0 : rowsForwarded(flight, to: local)
      flight.hopTwo.buffers.append(
        rows == 0
          ? nil : try flight.receive(bytes: bytes(flight, rows: rows), from: peer, hop: 2))
    }
  }

  /// Rows that this rank's dispatch forwarded to a local rank, which come back from it.
  private func rowsForwarded(_ flight: ExchangeInFlight, to local: Int) -> Int {
    flight.plan.routes.rowsForwarded(
      to: local, of: topology.local.count, before: ownSources.count)
  }

  /// All rows of this node are here: sums per source, and those of other nodes' sources sent.
  func forwardInward(_ flight: ExchangeInFlight) throws(MPIError) {
    // With one node, finish adds up straight into the caller's memory.
    guard topology.members.count > 1 else { return }
    for (segment, source) in ownSources.enumerated() {
      let rows = flight.plan.routes.segmentRows[segment]
      guard rows > 0 else { continue }
      let size = bytes(flight, rows: rows)
      let isOwn = source == group.rank
      let buffer = isOwn ? pool.take(bytes: size) : flight.sendBuffer(bytes: size)
      let message = message(flight, in: buffer, total: rows)
      if inward == .fp32 {
        let sums = message.rows.assumingMemoryBound(to: Float.self)
        addUp(flight, segment, into: sums, gates: message.gates)
      } else {
        let sums = pool.take(bytes: rows * hidden * MemoryLayout<Float>.size)
        addUp(flight, segment, into: sums.floats, gates: message.gates)
        encode(sums.floats, rows: rows, into: message.rows, at: 0)
        pool.give(sums)
      }
      if isOwn {
        flight.ownPartial = buffer
      } else {
        try send(flight, buffer, rows: rows, to: source, hop: 1)
      }
    }
  }

  /// Sum of a segment's rows over the ranks of this node, ascending.
  private func addUp(
    _ flight: ExchangeInFlight, _ segment: Int, into sums: UnsafeMutablePointer<Float>,
    gates: UnsafeMutablePointer<Float>
  ) {
    let routes = flight.plan.routes
    let locals = topology.local.count
    for local in 0..<locals {
      let forwards = routes.forwards[segment * locals + local]
      guard !forwards.isEmpty else { continue }
      let terms: Terms
      let termGates: UnsafePointer<Float>
      let start: Int
      if let buffer = flight.hopTwo.buffers[local] {
        let message = message(flight, in: buffer, total: rowsForwarded(flight, to: local))
        terms = arrived(message.rows)
        termGates = UnsafePointer(message.gates)
        start = routes.rowsForwarded(to: local, of: locals, before: segment)
      } else {
        let own = flight.rows.floats
        terms = inward == .bf16 ? .roundedFloats(own) : .floats(own)
        termGates = flight.gates ?? own
        start = routes.receivedStart[ownSources[segment]]
      }
      for (index, row) in forwards.lazy.map({ Int($0) }).enumerated() {
        let isFirst = routes.firstLocal[segment][row] == local
        accumulate(sums + row * hidden, terms, start + index, isFirst: isFirst)
        if flight.kind == .gather {
          placeGates(
            gates + row * expertsPerToken, termGates + (start + index) * expertsPerToken,
            isFirst: isFirst, experts: routes.segmentExperts[segment], at: row * expertsPerToken
          ) { owner in owner == topology.local[local] }
        }
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
      let rows = flight.rows.floats
      if rows != UnsafePointer(sums) { copyFloats(sums, rows, tokens * hidden) }
      if inward == .bf16 { roundToBF16(sums, count: tokens * hidden) }
      if let gates, let from = flight.gates { copyFloats(gates, from, tokens * expertsPerToken) }
      return
    }
    try arrive(flight)
    if topology.members.count == 1 {
      addUp(flight, 0, into: sums, gates: gates ?? sums)
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
    for node in topology.members.indices {
      let buffer = node == topology.ownNode ? flight.ownPartial : flight.hopOne.buffers[node]
      guard let buffer else { continue }
      let tokens = routes.nodeTokens[node]
      let message = message(flight, in: buffer, total: tokens.count)
      let terms = arrived(message.rows)
      for (row, token) in tokens.lazy.map({ Int($0) }).enumerated() {
        let isFirst = routes.firstNode[token] == node
        accumulate(sums + token * hidden, terms, row, isFirst: isFirst)
        if let gates {
          placeGates(
            gates + token * expertsPerToken, message.gates + row * expertsPerToken,
            isFirst: isFirst, experts: routes.experts, at: token * expertsPerToken
          ) { owner in topology.node[owner] == node }
        }
      }
    }
  }

  private func arrived(_ rows: UnsafeMutableRawPointer) -> Terms {
    inward == .bf16 ? .codes(rows) : .floats(rows.assumingMemoryBound(to: Float.self))
  }

  /// Adds row `row` of `terms` to a sum, or begins the sum with it.
  @inline(__always)
  private func accumulate(
    _ sum: UnsafeMutablePointer<Float>, _ terms: Terms, _ row: Int, isFirst: Bool
  ) {
    if case .floats(let floats) = terms {
      let term = floats + row * hidden
      if isFirst { copyFloats(sum, term, hidden) } else { addFloats(sum, term, hidden) }
      return
    }
    let term = isFirst ? sum : decodedRow.floats
    switch terms {
    case .floats: break
    case .codes(let codes):
      NumberFormat.bf16.decode(
        codes + row * inward.bytes(hidden: hidden), count: hidden, into: term)
    case .roundedFloats(let floats):
      copyFloats(term, floats + row * hidden, hidden)
      roundToBF16(term, count: hidden)
    }
    if !isFirst { addFloats(sum, term, hidden) }
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
