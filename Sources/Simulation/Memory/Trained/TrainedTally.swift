// A running account of one rank's tensors, as the trainer's allocator keeps it: what is alive as
// activations and as buffers, and what both were when they were most together.

struct TrainedTally: Hashable, Sendable {
  private(set) var activations = 0
  private(set) var buffers = 0
  private(set) var peakActivations = 0
  private(set) var peakBuffers = 0

  var peak: Int { peakActivations + peakBuffers }

  /// Something is made that will be needed later.
  mutating func keep(_ bytes: Int) {
    activations += bytes
    note()
  }

  /// Working memory is made.
  mutating func make(_ bytes: Int) {
    buffers += bytes
    note()
  }

  /// What was kept is no longer.
  mutating func release(_ bytes: Int) { activations -= bytes }

  /// Working memory is no longer.
  mutating func free(_ bytes: Int) { buffers -= bytes }

  /// Working memory turns out to be needed later.
  mutating func move(_ bytes: Int) {
    buffers -= bytes
    activations += bytes
  }

  /// Working memory that is gone before anything else is made.
  mutating func touch(_ bytes: Int) {
    make(bytes)
    free(bytes)
  }

  private mutating func note() {
    guard activations + buffers > peak else { return }
    (peakActivations, peakBuffers) = (activations, buffers)
  }
}
