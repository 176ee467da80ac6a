// Not tests: figures about this machine, printed when DSV3_MEASURE is set (`DSV3_MEASURE=1 mpirun
// -n 16 dsv3PackageTests.xctest --testing-library swift-testing --filter Measurements`). They chose
// the waiting policy: latency, and what ranks that wait take from ranks that compute.

import CSystem
import Glibc
import MPITestSupport
import MessagePassing
import Testing

extension MPITests {
  @MainActor @Suite(.serialized, .enabled(if: getenv("DSV3_MEASURE") != nil))
  struct Measurements {
    private func say(_ text: String) { fputs("measured: \(text)\n", dsv3_stderr()) }

    /// Batches of the same measurement: the machine is shared, so the least disturbed one counts.
    private func sorted(_ nanoseconds: [Int64]) -> String {
      nanoseconds.sorted().map { "\($0 / 1000).\($0 % 1000 / 100)" }.joined(separator: " ") + " us"
    }

    /// One message there and back between ranks 0 and 1, the others waiting in the barrier.
    @Test(arguments: [8, 4_000, 16_000, 65_536, 1_000_000]) func pingPong(bytes: Int) throws {
      let world = try MPITestWorld.world()
      guard world.size >= 2 else { return }
      let rounds = 500
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
      defer { memory.deallocate() }
      memory.initializeMemory(as: UInt8.self, repeating: 1)
      var times: [Int64] = []
      for _ in 0..<5 {
        try world.barrier()
        let start = dsv3_nanoseconds()
        for round in 0..<rounds where world.rank < 2 {
          if round % 2 == world.rank {
            try world.send(UnsafeRawBufferPointer(memory), to: 1 - world.rank, tag: 1).wait()
          } else {
            try world.receive(memory, from: 1 - world.rank, tag: 1).wait()
          }
        }
        times.append((dsv3_nanoseconds() - start) / Int64(rounds))
      }
      try world.barrier()
      if world.rank == 0 { say("one way, \(bytes) bytes, \(world.size) ranks: \(sorted(times))") }
    }

    /// Two ranks compute, the others pass a token around every 200 us of computing and else wait:
    /// how much longer the computing takes than with nobody waiting.
    @Test func ranksThatWaitLeaveTheProcessorToThoseThatCompute() throws {
      let runtime = try MPITestWorld.start()
      let world = runtime.world
      guard world.size >= 2 else { return }
      try world.barrier()
      if world.rank < 2 { Self.work(pieces: 200) }
      try world.barrier()
      for repetition in 0..<3 {
        let before = runtime.statistics
        let used = Self.processorNanoseconds()
        if world.rank < 2 {
          let start = dsv3_nanoseconds()
          for _ in 0..<10 { Self.work(pieces: 100) }
          let each = Double(dsv3_nanoseconds() - start) / 1e6
          say("rank \(world.rank), \(world.size) ranks, \(repetition): 1000 pieces in \(each) ms")
        }
        try world.barrier()
        if world.rank == world.size - 1 {
          let now = runtime.statistics
          say(
            "a waiting rank: \(now.sleeps - before.sleeps) sleeps, "
              + "\(now.timeouts - before.timeouts) timeouts, "
              + "\((Self.processorNanoseconds() - used) / 1000) us of processor")
        }
      }
    }

    /// All ranks exchange with both neighbours, 64 KiB and 4 KB, and compute 1 ms in between.
    @Test(arguments: [4_000, 65_536, 400_000]) func neighbours(bytes: Int) throws {
      let runtime = try MPITestWorld.start()
      let world = runtime.world
      guard world.size >= 2 else { return }
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * bytes, alignment: 64)
      defer { memory.deallocate() }
      memory.initializeMemory(as: UInt8.self, repeating: 1)
      let left = (world.rank + world.size - 1) % world.size
      let right = (world.rank + 1) % world.size
      func part(_ index: Int) -> UnsafeMutableRawBufferPointer {
        .init(rebasing: memory[index * bytes..<(index + 1) * bytes])
      }
      for pieces in [0, 10] {
        let rounds = pieces == 0 ? 50 : 10
        let before = runtime.statistics
        let used = Self.processorNanoseconds()
        var times: [Int64] = []
        for batch in 0..<5 * rounds {
          if batch % rounds == 0 {
            try world.barrier()
            times.append(dsv3_nanoseconds())
          }
          let transfers = [
            try world.receive(part(0), from: left, tag: 1),
            try world.receive(part(1), from: right, tag: 2),
            try world.send(.init(part(2)), to: right, tag: 1),
            try world.send(.init(part(3)), to: left, tag: 2),
          ]
          Self.work(pieces: pieces)
          try waitAll(transfers)
        }
        try world.barrier()
        times.append(dsv3_nanoseconds())
        let all = try world.allReduceSum([
          Self.processorNanoseconds() - used, runtime.statistics.timeouts - before.timeouts,
          runtime.statistics.sleeps - before.sleeps,
        ])
        let busy = all[0] * 100 / Int(times[5] - times[0]) / runtime.cores
        if world.rank == 0 {
          let each = zip(times, times.dropFirst()).map { ($1 - $0) / Int64(rounds) }
          say(
            "neighbours, \(bytes) bytes, \(world.size) ranks, \(pieces) pieces of work: "
              + "\(sorted(each)) a round, \(all[2]) sleeps, \(all[1]) timeouts, cores busy \(busy)%"
          )
        }
      }
    }

    @Test func barriers() throws {
      let world = try MPITestWorld.world()
      try world.barrier()
      var times: [Int64] = []
      for _ in 0..<5 {
        let start = dsv3_nanoseconds()
        for _ in 0..<100 { try world.barrier() }
        times.append((dsv3_nanoseconds() - start) / 100)
      }
      if world.rank == 0 { say("barrier, \(world.size) ranks: \(sorted(times))") }
    }

    @Test(arguments: [1 << 14, 1 << 20]) func reduceScatterAndAllGather(floats: Int) throws {
      let world = try MPITestWorld.world()
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: floats)
      defer { memory.deallocate() }
      memory.initialize(repeating: 1)
      let shards = (0..<world.size).map {
        floats * $0 / world.size..<floats * ($0 + 1) / world.size
      }
      try world.reduceScatterSum(memory, shards: shards)
      try world.barrier()
      var reduces: [Int64] = []
      var gathers: [Int64] = []
      for _ in 0..<6 {
        let start = dsv3_nanoseconds()
        for _ in 0..<5 { try world.reduceScatterSum(memory, shards: shards) }
        try world.barrier()
        let middle = dsv3_nanoseconds()
        for _ in 0..<5 { try world.allGather(memory, shards: shards) }
        try world.barrier()
        reduces.append((middle - start) / 5)
        gathers.append((dsv3_nanoseconds() - middle) / 5)
      }
      if world.rank == 0 {
        say("\(floats) floats, \(world.size) ranks: reduce-scatter \(sorted(reduces))")
        say("\(floats) floats, \(world.size) ranks: all-gather \(sorted(gathers))")
      }
    }

    /// A dispatch and its combine, 256 tokens of 256 floats with 4 of 16 experts, in groups of 4
    /// ranks on nodes of 2.
    @Test(arguments: [ExchangeRoute.twoHop, .direct]) func expertExchange(
      route: ExchangeRoute
    ) throws {
      let world = try MPITestWorld.world()
      guard world.size % 4 == 0 else { return }
      let first = world.rank / 4 * 4
      let group = try world.subgroup(worldRanks: Array(first..<first + 4), tag: first)
      let exchange = try ExpertExchange(
        group: group, ranksPerNode: 2, experts: 16, expertsPerToken: 4, hidden: 256, route: route)
      var numbers = Numbers(seed: 3, world.rank)
      let rows = Fixed(numbers.floats(256 * 256))
      let gates = Fixed(numbers.floats(256 * 4))
      let experts = Fixed(
        (0..<256).flatMap { _ in (0..<Int32(16)).shuffled(using: &numbers).prefix(4) })
      let sums = Fixed(numbers.floats(256 * 256))
      var times: [Int64] = []
      for _ in 0..<6 {
        try world.barrier()
        let start = dsv3_nanoseconds()
        for _ in 0..<20 {
          let flight = try exchange.startDispatch(
            rows: rows.pointer, tokens: 256, maxTokensAnyRank: 256, experts: experts.pointer,
            gates: gates.pointer)
          let received = try exchange.finishDispatch(flight)
          let back = try exchange.startCombine(received.plan, rows: received.rows)
          try exchange.finishCombine(back, into: sums.pointer)
        }
        times.append((dsv3_nanoseconds() - start) / 20)
      }
      try world.barrier()
      if world.rank == 0 { say("exchange, \(route), \(world.size) ranks: \(sorted(times))") }
    }

    /// Pieces of about 100 us of arithmetic.
    private static func work(pieces: Int) {
      for _ in 0..<pieces * 30_000 { result = result * 0.999_99 + 0.000_01 }
    }

    private static var result: Float = 0.5

    private static func processorNanoseconds() -> Int {
      var used = timespec()
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
      return used.tv_sec * 1_000_000_000 + used.tv_nsec
    }
  }
}
