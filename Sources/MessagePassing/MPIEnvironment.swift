// What Open MPI is told through its environment before it starts: how to wait and how to copy
// between the ranks of one machine. Whatever the user has set stays.

import CSystem
import Glibc

enum MPIEnvironment {
  /// A send of this many bytes or more is complete only when the receiver has taken it, though
  /// small ones are buffered: Open MPI 4.1 sends no more than 256 bytes inline (measured, too).
  static let smallestHandshake = 257

  /// Sets the defaults. Before `MPI_Init`.
  static func setDefaults() {
    // MPI's own blocking calls (start-up, finish) spin; ranks that share a core must yield then.
    setDefault("OMPI_MCA_mpi_yield_when_idle", "1")
    // Where the kernel forbids copying between processes, MPI would warn at every message.
    if dsv3_may_copy_between_processes() == 0 {
      setDefault(singleCopy, "none")
    }
  }

  /// Whether the receiver of a large message copies it out of the sender's memory by itself.
  static var copiesInOneStep: Bool {
    guard let mechanism = getenv(singleCopy) else { return true }
    return strcmp(mechanism, "none") != 0
  }

  /// How often the sender or receiver of a message that isn't copied in one step wakes the other:
  /// for each fragment (32 KiB) there and back, and the hand-shake.
  static func wakes(bytes: Int) -> Int32 {
    bytes < smallestHandshake ? 0 : Int32(clamping: bytes / (16 << 10) + 8)
  }

  private static let singleCopy = "OMPI_MCA_btl_vader_single_copy_mechanism"

  private static func setDefault(_ name: String, _ value: String) {
    setenv(name, value, 0)
  }
}
