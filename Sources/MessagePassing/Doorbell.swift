// How a rank that waits is woken without polling: a counter in memory shared by the ranks of one
// machine. Whoever sends to a rank increments its counter and, if it sleeps, wakes it (futex).

import COpenMPI
import CSystem

/// The counters of all ranks on this machine, in one MPI-3 shared window.
///
/// A slot is 256 bytes: the counter; what the sleeper waits for (each on its own cache line, for
/// the ringer writes one and reads the other): a flag and the count at which to wake it; and the
/// processors its rank may use.
final class Doorbell {
  private static let slotBytes = 256
  private static let flagOffset = 64
  private static let maskOffset = 128
  private static let maskBytes = 128

  /// Ranks on this machine.
  let count: Int
  /// This rank's slot.
  let index: Int
  /// Slot of each world rank, -1 for ranks on other machines.
  let slotOfWorldRank: [Int32]
  /// Processors that the ranks of this machine may use, all together.
  let processors: Int

  private let base: UnsafeMutableRawPointer
  private var window: MPI_Win?

  /// Collective over the world. Throws what MPI throws.
  init(worldSize: Int) throws(MPIError) {
    var local: MPI_Comm?
    let world = dsv3_comm_world()
    try check(
      MPI_Comm_split_type(world, Int32(MPI_COMM_TYPE_SHARED), 0, dsv3_info_null(), &local),
      "MPI_Comm_split_type")
    var size: Int32 = 0
    var rank: Int32 = 0
    try check(MPI_Comm_size(local, &size), "MPI_Comm_size")
    try check(MPI_Comm_rank(local, &rank), "MPI_Comm_rank")
    count = Int(size)
    index = Int(rank)
    slotOfWorldRank = try Self.slots(local: local, localSize: Int(size), worldSize: worldSize)

    // The first rank owns all slots: one block, whatever alignment the window gives to others.
    let bytes = rank == 0 ? (Int(size) + 1) * Self.slotBytes : 0
    var own: UnsafeMutableRawPointer?
    try check(
      MPI_Win_allocate_shared(bytes, 1, dsv3_info_null(), local, &own, &window),
      "MPI_Win_allocate_shared", "\(bytes) bytes")
    var start: UnsafeMutableRawPointer?
    var length: MPI_Aint = 0
    var unit: Int32 = 0
    try check(MPI_Win_shared_query(window, 0, &length, &unit, &start), "MPI_Win_shared_query")
    guard let start else { throw .refused("MPI_Win_shared_query", "no memory in the window") }
    base = start.alignedUp(toMultipleOf: Self.slotBytes)

    let slot = base + Int(rank) * Self.slotBytes
    slot.initializeMemory(as: UInt8.self, repeating: 0, count: Self.slotBytes)
    dsv3_affinity(slot + Self.maskOffset, UInt(Self.maskBytes))
    try check(MPI_Barrier(local), "MPI_Barrier")
    processors = Self.unionOfMasks(base: base, count: Int(size))
    // Nobody rings before everybody has read the masks and found its slot.
    try check(MPI_Barrier(local), "MPI_Barrier")
    try check(MPI_Comm_free(&local), "MPI_Comm_free")
  }

  /// Collective over the ranks of this machine.
  func close() throws(MPIError) {
    guard window != nil else { return }
    try check(MPI_Win_free(&window), "MPI_Win_free")
    window = nil
  }

  /// Tells the rank in `slot` that something may have arrived for it. A patient ring wakes it only
  /// if it was rung as often as it asked for.
  @inline(__always)
  func ring(_ slot: Int32, isPatient: Bool = false) {
    let start = base + Int(slot) * Self.slotBytes
    let counter = start.assumingMemoryBound(to: UInt32.self)
    let sleeper = (start + Self.flagOffset).assumingMemoryBound(to: UInt32.self)
    let rings = dsv3_increment(counter)
    guard dsv3_load(sleeper) != 0 else { return }
    if isPatient, Int32(bitPattern: rings &- dsv3_load(sleeper + 1)) < 0 { return }
    dsv3_futex_wake(counter)
  }

  /// How often this rank was rung so far.
  @inline(__always)
  var rings: UInt32 {
    dsv3_load((base + index * Self.slotBytes).assumingMemoryBound(to: UInt32.self))
  }

  /// Sleeps until this rank was rung `count` times after `rings` had the value `seen`, or once
  /// impatiently, or the time is over. Returns at once if it was rung already. Whether the time
  /// was over.
  func sleep(seen: UInt32, count: Int, nanoseconds: Int64) -> Bool {
    let start = base + index * Self.slotBytes
    let counter = start.assumingMemoryBound(to: UInt32.self)
    let sleeper = (start + Self.flagOffset).assumingMemoryBound(to: UInt32.self)
    dsv3_store(sleeper + 1, seen &+ UInt32(clamping: count))
    dsv3_store(sleeper, 1)
    let isLate = dsv3_futex_wait(counter, seen, nanoseconds) != 0
    dsv3_store(sleeper, 0)
    return isLate
  }

  private static func slots(
    local: MPI_Comm?, localSize: Int, worldSize: Int
  ) throws(MPIError) -> [Int32] {
    var localGroup: MPI_Group?
    var worldGroup: MPI_Group?
    try check(MPI_Comm_group(local, &localGroup), "MPI_Comm_group")
    try check(MPI_Comm_group(dsv3_comm_world(), &worldGroup), "MPI_Comm_group")
    let ranks = (0..<Int32(localSize)).map { $0 }
    var worldRanks = [Int32](repeating: 0, count: localSize)
    try check(
      MPI_Group_translate_ranks(localGroup, Int32(localSize), ranks, worldGroup, &worldRanks),
      "MPI_Group_translate_ranks")
    try check(MPI_Group_free(&localGroup), "MPI_Group_free")
    try check(MPI_Group_free(&worldGroup), "MPI_Group_free")
    var slots = [Int32](repeating: -1, count: worldSize)
    for (slot, worldRank) in worldRanks.enumerated() { slots[Int(worldRank)] = Int32(slot) }
    return slots
  }

  private static func unionOfMasks(base: UnsafeMutableRawPointer, count: Int) -> Int {
    var processors = 0
    for byte in 0..<maskBytes {
      var bits: UInt8 = 0
      for slot in 0..<count {
        bits |= (base + slot * slotBytes + maskOffset + byte).load(as: UInt8.self)
      }
      processors += bits.nonzeroBitCount
    }
    return max(processors, 1)
  }
}
