// Lists of kernels: what a layer launches for one operation, each kernel with its shape. The lists
// follow a trace of DeepSeek-V3's training kernels (docs/cluster-model.md), in its order.

package import Fabric
internal import Units

/// One kernel of an operation, or several of the same kind that are counted together.
package struct LayerKernel: Hashable, Sendable {
  package var name: String
  package var work: KernelWork
  /// FLOPs of its products; zero for what is bound by memory.
  package var flops: Int
  /// Kernels one after the other on the stream, each behind a launch gap.
  package var launches: Int

  init(_ name: String, _ work: KernelWork, flops: Int = 0, launches: Int = 1) {
    self.name = name
    self.work = work
    self.flops = flops
    self.launches = launches
  }
}

/// The kernels of one operation in order. Bytes are counted as BF16 (2), FP8 (1) and FP32 (4);
/// scales, one in 128, are left out except where a kernel moves nothing but rows.
struct KernelList: Sendable {
  var kernels: [LayerKernel] = []
  let precision: ProductPrecision

  init(_ precision: ProductPrecision) { self.precision = precision }

  /// A kernel that reads and writes `bytes`.
  mutating func memory(_ name: String, _ memoryClass: MemoryClass, _ bytes: Int) {
    kernels.append(LayerKernel(name, .memory(memoryClass, bytes: bytes)))
  }

  /// Reads `reads` and writes `writes` tensors of `elements` in BF16.
  mutating func bf16(
    _ name: String, _ memoryClass: MemoryClass, _ elements: Int, tensors: Int
  ) {
    memory(name, memoryClass, 2 * elements * tensors)
  }

  /// BF16 to FP8 with tile scales; nothing when products are not in FP8.
  mutating func cast(_ name: String, _ elements: Int) {
    if precision.isFP8 { memory(name, .quantise, 3 * elements) }
  }

  /// BF16 to FP8 in columns, for a weight gradient; nothing when products are not in FP8.
  mutating func castTranspose(_ name: String, _ elements: Int) {
    if precision.isFP8 { memory(name, .castTranspose, 3 * elements) }
  }

  /// FP8 in rows to FP8 in columns; nothing when products are not in FP8.
  mutating func requantise(_ name: String, _ elements: Int) {
    if precision.isFP8 { memory(name, .requantiseTranspose, 2 * elements) }
  }

  /// FP8 back to BF16; nothing when products are not in FP8.
  mutating func castBack(_ name: String, _ elements: Int) {
    if precision.isFP8 { memory(name, .stream, 3 * elements) }
  }

  /// An FP8 weight transposed, since the tensor core takes FP8 in one orientation only; nothing in
  /// BF16.
  mutating func weightTranspose(_ name: String, _ elements: Int) {
    if precision.isFP8 { memory(name, .stream, 2 * elements) }
  }

  /// [rows × depth] · [depth × columns].
  mutating func product(_ name: String, rows: Int, columns: Int, depth: Int) {
    let tiles = KernelWork.tiles(rows: rows, columns: columns)
    kernels.append(
      LayerKernel(
        name, .product(tiles: tiles, depth: depth, precision: precision),
        flops: 2 * rows * columns * depth))
  }

  /// Gradient of a [rows × columns] weight over `tokens`.
  mutating func weightGradient(_ name: String, rows: Int, columns: Int, tokens: Int) {
    let tiles = KernelWork.tiles(rows: rows, columns: columns)
    kernels.append(
      LayerKernel(
        name, .weightGradient(tiles: tiles, depth: tokens, precision: precision),
        flops: 2 * rows * columns * tokens))
  }

  /// `launches` kernels without a law of their own, which took `microseconds` in all on an H800
  /// at the trace's shapes. The shortest kernel there takes 2 us; what a kernel takes beyond
  /// that goes with `share`, the size of its data over that of the trace.
  mutating func small(_ name: String, launches: Int, microseconds: Double, share: Double) {
    let fixed = min(microseconds, 2 * Double(launches))
    let time = fixed + (microseconds - fixed) * share
    kernels.append(
      LayerKernel(name, .small(VirtualDuration(microseconds: time)), launches: launches))
  }

  /// Transposes of the tile scales, one for each product; nothing when products are not in FP8.
  mutating func scaleTransposes(_ launches: Int, microseconds: Double, share: Double) {
    guard precision.isFP8 else { return }
    small("scale transposes", launches: launches, microseconds: microseconds, share: share)
  }
}

/// The trace's shapes, which the times of small kernels belong to.
enum TraceShape {
  static let tokens = 4096.0
  /// Rows of all local experts, padded to tiles.
  static let expertRows = 33024.0
}
