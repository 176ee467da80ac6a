// OpenBLAS's working space. The library takes it with its first large product, and where the system
// refuses it, it asks again for ever (blas_memory_alloc, 0.3.21): so it is asked for here first.

internal import Glibc

extension BLAS {
  /// BUFFER_SIZE of OpenBLAS on x86-64: 32 << 22 bytes.
  private static let workspaceBytes = 128 << 20

  /// Lets OpenBLAS take its working space, once in a process. Ends the process where there is none.
  static let workspace: Void = {
    let room = mmap(
      nil, workspaceBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
      0)
    guard let room, room != MAP_FAILED else {
      TensorMemory.endForLackOfMemory(workspaceBytes, "for OpenBLAS's working space")
    }
    munmap(room, workspaceBytes)
    // A product that is too large for the kernels that need no space.
    let side = 128
    let (a, b, c) = (Tensor.zeros(side, side), Tensor.zeros(side, side), Tensor(side, side))
    multiplyTransposed(a.matrix, b.matrix, into: c.matrix)
  }()
}
