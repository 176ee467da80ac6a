// A growable row of plain values outside Swift's arrays: no reference count, no bounds check, for
// the inner loops of link sharing.

/// Owns `capacity` values, all of them set.
struct Column<Element: BitwiseCopyable>: ~Copyable {
  private(set) var base: UnsafeMutablePointer<Element>
  private(set) var capacity: Int

  init(_ capacity: Int, filledWith value: Element) {
    self.capacity = max(1, capacity)
    base = .allocate(capacity: self.capacity)
    base.initialize(repeating: value, count: self.capacity)
  }

  deinit { base.deallocate() }

  subscript(index: Int) -> Element {
    @inline(__always) get { base[index] }
    @inline(__always) nonmutating set { base[index] = newValue }
  }

  @inline(__always) subscript(index: Int32) -> Element {
    get { base[Int(index)] }
    nonmutating set { base[Int(index)] = newValue }
  }

  /// Makes room for `count` values; at least doubles when it grows.
  mutating func grow(to count: Int, filledWith value: Element) {
    guard count > capacity else { return }
    let larger = max(count, 2 * capacity)
    let moved = UnsafeMutablePointer<Element>.allocate(capacity: larger)
    moved.update(from: base, count: capacity)
    (moved + capacity).initialize(repeating: value, count: larger - capacity)
    base.deallocate()
    base = moved
    capacity = larger
  }
}

/// A list of plain values that belongs to a link; copied as a handle, freed by its owner.
struct PlainList<Element: BitwiseCopyable> {
  private(set) var base: UnsafeMutablePointer<Element>?
  private(set) var count = 0
  private var capacity = 0

  @inline(__always) subscript(index: Int) -> Element {
    get { base.unsafelyUnwrapped[index] }
    nonmutating set { base.unsafelyUnwrapped[index] = newValue }
  }

  @inline(__always) mutating func append(_ value: Element) {
    if count == capacity { reserve(max(8, 2 * capacity)) }
    base.unsafelyUnwrapped[count] = value
    count &+= 1
  }

  /// The last value, which leaves.
  @inline(__always) mutating func popLast() -> Element {
    count &-= 1
    return base.unsafelyUnwrapped[count]
  }

  mutating func removeAll() { count = 0 }

  mutating func reserve(_ wanted: Int) {
    guard wanted > capacity else { return }
    let moved = UnsafeMutablePointer<Element>.allocate(capacity: wanted)
    if let base {
      moved.update(from: base, count: count)
      base.deallocate()
    }
    base = moved
    capacity = wanted
  }

  mutating func free() {
    base?.deallocate()
    self = PlainList()
  }
}
