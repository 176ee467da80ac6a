// A group of ranks that talk to each other: point-to-point messages, and the collectives in
// `Communicator+….swift` that are made of them.

import COpenMPI

/// An MPI communicator. Ranks are numbered within the group; `worldRanks` says who they are.
package final class Communicator {
  /// This rank's number in the group.
  package let rank: Int
  /// Members.
  package let size: Int
  /// World rank of each member, by rank in the group.
  package let worldRanks: [Int]

  let waiter: Waiter
  /// Doorbell slot of each member, -1 where there is none (another machine, or this rank itself).
  private let slots: [Int32]
  private let handle: MPI_Comm?
  private var nextTag = Communicator.firstOwnTag
  /// Reused by collectives; grows to what they need.
  var scratch = ScratchBuffer(bytes: 0)

  /// Tags below this are the callers'.
  package static let tagLimit = 1 << 24
  private static let firstOwnTag = 1 << 24
  private static let lastOwnTag = 1 << 30

  init(handle: MPI_Comm?, worldRanks: [Int], waiter: Waiter) throws(MPIError) {
    var rank: Int32 = 0
    try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
    self.handle = handle
    self.rank = Int(rank)
    self.worldRanks = worldRanks
    self.waiter = waiter
    size = worldRanks.count
    let own = Int(rank)
    slots = worldRanks.indices.map { member in
      member == own ? -1 : waiter.doorbell?.slotOfWorldRank[worldRanks[member]] ?? -1
    }
  }

  /// A communicator of some of this one's ranks, given by their world ranks (ascending, this rank
  /// among them); their order is the order of ranks in the group. Collective among the members
  /// only: those who make different groups at the same time need different tags.
  package func subgroup(worldRanks members: [Int], tag: Int) throws(MPIError) -> Communicator {
    let ranks = members.map { member in
      worldRanks.firstIndex(of: member).map { Int32($0) } ?? -1
    }
    guard ranks.contains(Int32(rank)), !ranks.contains(-1) else {
      throw .refused(
        "Communicator.subgroup",
        "world ranks \(members) must be among \(worldRanks) and include \(worldRanks[rank])")
    }
    var all: MPI_Group?
    var some: MPI_Group?
    var made: MPI_Comm?
    try check(MPI_Comm_group(handle, &all), "MPI_Comm_group")
    try check(MPI_Group_incl(all, Int32(ranks.count), ranks, &some), "MPI_Group_incl")
    try check(
      MPI_Comm_create_group(handle, some, Int32(tag), &made), "MPI_Comm_create_group",
      "world ranks \(members), tag \(tag)")
    try check(MPI_Group_free(&some), "MPI_Group_free")
    try check(MPI_Group_free(&all), "MPI_Group_free")
    try check(
      MPI_Comm_set_errhandler(made, dsv3_errors_return()), "MPI_Comm_set_errhandler")
    return try Communicator(handle: made, worldRanks: members, waiter: waiter)
  }

  /// Starts sending `bytes`, which must stay valid and unchanged until the transfer is complete.
  /// `tag`: 0 ..< `tagLimit`.
  package func send(
    _ bytes: UnsafeRawBufferPointer, to peer: Int, tag: Int
  ) throws(MPIError) -> Transfer {
    precondition(tag >= 0 && tag < Self.tagLimit, "tag \(tag) is out of range")
    let transfer = Transfer(waiter: waiter)
    // The caller may wait for the send before it sends what the receiver is waiting for.
    try send(
      bytes, to: peer, tag: tag, on: transfer,
      isPatient: bytes.count < MPIEnvironment.smallestHandshake)
    return transfer
  }

  /// Starts receiving into `bytes`, which must stay valid until the transfer is complete. The
  /// message may be shorter: `Transfer.receivedBytes`. A longer one is an error of MPI.
  package func receive(
    _ bytes: UnsafeMutableRawBufferPointer, from peer: Int, tag: Int
  ) throws(MPIError) -> Transfer {
    precondition(tag >= 0 && tag < Self.tagLimit, "tag \(tag) is out of range")
    let transfer = Transfer(waiter: waiter)
    try receive(bytes, from: peer, tag: tag, on: transfer)
    return transfer
  }

  /// As `send`, counted on a transfer that may stand for several messages; any tag. A patient one
  /// lets a receiver that waits for more messages sleep on: then no message that the receiver waits
  /// for may depend on this send being complete.
  func send(
    _ bytes: UnsafeRawBufferPointer, to peer: Int, tag: Int, on transfer: Transfer,
    isPatient: Bool = true
  ) throws(MPIError) {
    guard let count = Int32(exactly: bytes.count) else {
      throw .refused("MPI_Isend", "\(bytes.count) bytes are too many for one message")
    }
    var request: MPI_Request?
    let code = MPI_Isend(
      bytes.baseAddress, count, dsv3_byte(), Int32(peer), Int32(tag), handle, &request)
    if code != MPI_SUCCESS { waiter.isGivenUp = true }
    try check(code, "MPI_Isend", "\(count) bytes to rank \(peer) of \(size), tag \(tag)")
    waiter.add(request, to: transfer, peer: slots[peer], bytes: bytes.count, isReceive: false)
    waiter.statistics.messages += 1
    waiter.statistics.bytes += bytes.count
    let slot = slots[peer]
    if slot >= 0 { waiter.doorbell?.ring(slot, isPatient: isPatient) }
  }

  /// As `receive`, counted on a transfer that may stand for several messages; any tag.
  func receive(
    _ bytes: UnsafeMutableRawBufferPointer, from peer: Int, tag: Int, on transfer: Transfer
  ) throws(MPIError) {
    // A maximum-size buffer may be larger than any one message can be.
    let count = Int32(clamping: bytes.count)
    var request: MPI_Request?
    let code = MPI_Irecv(
      bytes.baseAddress, count, dsv3_byte(), Int32(peer), Int32(tag), handle, &request)
    if code != MPI_SUCCESS { waiter.isGivenUp = true }
    try check(code, "MPI_Irecv", "\(count) bytes from rank \(peer) of \(size), tag \(tag)")
    waiter.add(request, to: transfer, peer: slots[peer], bytes: bytes.count, isReceive: true)
  }

  /// `count` tags that no other operation of this group has in use. All members ask in the same
  /// order, so all get the same.
  func takeTags(_ count: Int) -> Int {
    if nextTag + count > Self.lastOwnTag { nextTag = Self.firstOwnTag }
    defer { nextTag += count }
    return nextTag
  }
}
