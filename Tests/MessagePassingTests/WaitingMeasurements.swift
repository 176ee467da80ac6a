// Not tests: figures about waiting on this machine, printed when DSV3_MEASURE is set. See how the
// waiting policy was chosen: latency, and what ranks that wait take from ranks that compute.

import CSystem
import Glibc
import MessagePassing
import Testing

extension MPITests {
  @MainActor @Suite(.serialized, .enabled(if: getenv("DSV3_MEASURE") != nil))
  struct WaitingMeasurements {
    private func say(_ text: String) { fputs("measured: \(text)\n", dsv3_stderr()) }

    /// One message there and back between ranks 0 and 1, the others waiting in the barrier.
    @Test(arguments: [8, 4_000, 16_000, 65_536, 1_000_000]) func pingPong(bytes: Int) throws {
      let world = try MPITestWorld.world()
      guard world.size >= 2 else { return }
      let rounds = 2_000
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
      defer { memory.deallocate() }
      memory.initializeMemory(as: UInt8.self, repeating: 1)
      try world.barrier()
      let start = dsv3_nanoseconds()
      if world.rank < 2 {
        let peer = 1 - world.rank
        for round in 0..<rounds {
          if round % 2 == world.rank {
            try world.send(UnsafeRawBufferPointer(memory), to: peer, tag: 1).wait()
          } else {
            try world.receive(memory, from: peer, tag: 1).wait()
          }
        }
      }
      if world.rank == 0 {
        let each = Double(dsv3_nanoseconds() - start) / Double(rounds) / 1_000
        say("one way, \(bytes) bytes, \(world.size) ranks: \(each) us")
      }
      try world.barrier()
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
        try world.barrier()
        let rounds = pieces == 0 ? 200 : 50
        let before = runtime.statistics
        let start = dsv3_nanoseconds()
        for _ in 0..<rounds {
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
        let each = Double(dsv3_nanoseconds() - start) / Double(rounds) / 1_000
        if world.rank == 0 {
          let timeouts = runtime.statistics.timeouts - before.timeouts
          say(
            "neighbours, \(bytes) bytes, \(world.size) ranks, \(pieces) pieces of work: "
              + "\(each) us a round, \(timeouts) timeouts")
        }
      }
    }

    @Test func barriers() throws {
      let world = try MPITestWorld.world()
      try world.barrier()
      let start = dsv3_nanoseconds()
      for _ in 0..<500 { try world.barrier() }
      if world.rank == 0 {
        say("barrier, \(world.size) ranks: \(Double(dsv3_nanoseconds() - start) / 500_000) us")
      }
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
      let rounds = 20
      let start = dsv3_nanoseconds()
      for _ in 0..<rounds { try world.reduceScatterSum(memory, shards: shards) }
      try world.barrier()
      let middle = dsv3_nanoseconds()
      for _ in 0..<rounds { try world.allGather(memory, shards: shards) }
      try world.barrier()
      let end = dsv3_nanoseconds()
      if world.rank == 0 {
        say(
          "\(floats) floats, \(world.size) ranks: reduce-scatter "
            + "\((middle - start) / Int64(rounds) / 1000) us, "
            + "all-gather \((end - middle) / Int64(rounds) / 1000) us")
      }
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
