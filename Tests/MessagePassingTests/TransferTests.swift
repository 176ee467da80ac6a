// Point-to-point messages, groups of ranks, and what waiting costs.

import CSystem
import MPITestSupport
import MessagePassing
import Testing

extension MPITests {
  @MainActor @Suite(.serialized) struct TransferTests {
    /// A ring: every rank sends to its successor. Sizes on both sides of MPI's eager limit (4 KiB)
    /// and of its fragment size (32 KiB).
    @Test(arguments: [0, 1, 64, 4_000, 4_200, 70_000, 3_000_000])
    func messageArrivesWhole(bytes: Int) throws {
      let world = try MPITestWorld.world()
      let next = (world.rank + 1) % world.size
      let previous = (world.rank + world.size - 1) % world.size
      var outgoing = Self.pattern(bytes, from: world.rank)
      var incoming = [UInt8](repeating: 0xEE, count: bytes + 8)
      try incoming.withUnsafeMutableBytes { into in
        try outgoing.withUnsafeMutableBytes { from in
          let receive = try world.receive(into, from: previous, tag: 5)
          let send = try world.send(UnsafeRawBufferPointer(from), to: next, tag: 5)
          try receive.wait()
          try send.wait()
          #expect(receive.isComplete && receive.receivedBytes == bytes)
          #expect(send.receivedBytes == 0)
        }
      }
      #expect(Array(incoming.prefix(bytes)) == Self.pattern(bytes, from: previous))
      #expect(incoming.suffix(8).allSatisfy { $0 == 0xEE })
    }

    private static func pattern(_ bytes: Int, from rank: Int) -> [UInt8] {
      (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ rank &* 7 &+ ($0 >> 8)) }
    }

    /// 300 messages to every rank at once, more than the table of requests starts with; messages
    /// between two ranks with one tag keep their order.
    @Test func manyMessagesKeepTheirOrder() throws {
      let world = try MPITestWorld.world()
      let each = 300
      var outgoing = (0..<each).map { Int32(world.rank * 1_000 + $0) }
      var incoming = [Int32](repeating: -1, count: each * world.size)
      try outgoing.withUnsafeMutableBytes { from in
        try incoming.withUnsafeMutableBytes { into in
          var transfers: [Transfer] = []
          for index in 0..<each {
            for peer in 0..<world.size {
              let place = (peer * each + index) * 4
              transfers.append(
                try world.receive(.init(rebasing: into[place..<place + 4]), from: peer, tag: 1))
              transfers.append(
                try world.send(
                  .init(rebasing: from[index * 4..<index * 4 + 4]), to: peer, tag: 1))
            }
          }
          try waitAll(transfers)
        }
      }
      for peer in 0..<world.size {
        #expect(
          Array(incoming[peer * each..<(peer + 1) * each])
            == (0..<each).map { Int32(peer * 1_000 + $0) })
      }
    }

    @Test func testTellsWhetherAMessageCame() throws {
      let world = try MPITestWorld.world()
      var value: [UInt8] = [0]
      try value.withUnsafeMutableBytes { into in
        let receive = try world.receive(into, from: world.rank, tag: 9)
        #expect(try receive.test() == false)
        var seven: UInt8 = 7
        try withUnsafeBytes(of: &seven) { from in
          try world.send(from, to: world.rank, tag: 9).wait()
        }
        while try !receive.test() {}
      }
      #expect(value == [7])
    }

    /// What a failure leaves under way may still arrive: it must not touch what is gone.
    @Test func aTransferDroppedAfterAFailureIsNotTouchedAgain() throws {
      let runtime = try MPITestWorld.start()
      let world = runtime.world
      var value: [UInt8] = [0]
      try value.withUnsafeMutableBytes { into in
        runtime.giveUpTransfers()
        _ = try world.receive(into, from: world.rank, tag: 11)
        runtime.resumeTransfers()
        var seven: UInt8 = 7
        try withUnsafeBytes(of: &seven) { from in
          try world.send(from, to: world.rank, tag: 11).wait()
        }
        while into[0] != 7 { try runtime.progress() }
      }
      #expect(value == [7])
    }

    @Test func aFailingCallIsNamedWithWhatItWasDoing() throws {
      let world = try MPITestWorld.world()
      let nobody = world.size + 5
      let error = #expect(throws: MPIError.self) {
        _ = try world.send(UnsafeRawBufferPointer(start: nil, count: 0), to: nobody, tag: 3)
      }
      #expect(error?.call == "MPI_Isend")
      #expect(error?.description.contains("invalid rank") == true)
      #expect(error?.context == "0 bytes to rank \(nobody) of \(world.size), tag 3")
      // Only what the test provoked has failed; later tests wait for their transfers.
      try MPITestWorld.start().resumeTransfers()
    }

    @Test(needs(ranks: 2)) func groupsNumberTheirMembersInTheOrderGiven() throws {
      let world = try MPITestWorld.world()
      let parity = world.rank % 2
      let members = (0..<world.size).filter { $0 % 2 == parity }
      let group = try world.subgroup(worldRanks: members, tag: 10 + parity)
      #expect(group.worldRanks == members)
      #expect(group.rank == world.rank / 2)
      #expect(group.size == members.count)
      #expect(try group.allGather([world.rank]) == members)
      #expect(throws: MPIError.self) {
        try world.subgroup(worldRanks: [world.size + 3], tag: 10)
      }
      try MPITestWorld.start().resumeTransfers()
    }

    /// A rank whose peer computes for 60 ms must sleep meanwhile: it may use a tenth of that.
    @Test(needs(ranks: 2)) func waitingUsesNoProcessor() throws {
      let runtime = try MPITestWorld.start()
      let world = runtime.world
      try world.barrier()
      var byte: UInt8 = 1
      try withUnsafeMutableBytes(of: &byte) { bytes in
        if world.rank == 0 {
          let end = dsv3_nanoseconds() + 60_000_000
          while dsv3_nanoseconds() < end {}
          for peer in 1..<world.size {
            try world.send(UnsafeRawBufferPointer(bytes), to: peer, tag: 2).wait()
          }
        } else {
          let before = (runtime.statistics.waitNanoseconds, Self.processorNanoseconds())
          try world.receive(bytes, from: 0, tag: 2).wait()
          #expect(runtime.statistics.waitNanoseconds - before.0 > 20_000_000)
          #expect(Self.processorNanoseconds() - before.1 < 6_000_000)
        }
      }
      try world.barrier()
    }

    private static func processorNanoseconds() -> Int {
      var used = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used)
      return used.tv_sec * 1_000_000_000 + used.tv_nsec
    }
  }
}
