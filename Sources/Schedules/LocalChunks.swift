// A schedule seen from its ranks: the pipes that its micro-batches go through, and the chunks of
// the model that a rank holds, numbered as the rank would. DualPipe has two pipes, so chunk 0 and 1
// of a rank are its stages in the one direction and in the other.

/// Pipes and local chunks of a schedule.
package struct LocalChunks: Hashable, Sendable {
  /// A run of stages over ranks that some micro-batches take.
  package struct Pipe: Hashable, Sendable {
    /// By stage, the rank.
    package var ranks: [Int]
    /// Global micro-batches, ascending.
    package var microbatches: [Int]
  }

  /// One chunk of a rank: the stage it is in its pipe.
  package struct Chunk: Hashable, Sendable {
    package var pipe: Int
    package var stage: Int

    package init(pipe: Int, stage: Int) {
      self.pipe = pipe
      self.stage = stage
    }
  }

  /// In the order of their first micro-batch.
  package let pipes: [Pipe]
  /// By rank, ordered by pipe and then by stage.
  package let chunks: [[Chunk]]
  /// By global micro-batch, its pipe and its number there.
  private let places: [(pipe: Int, number: Int)]
  private let numbers: [[Chunk: Int]]

  /// O(stages × micro-batches).
  package init(of schedule: Schedule) {
    var pipes: [Pipe] = []
    var known: [[Int]: Int] = [:]
    var places: [(pipe: Int, number: Int)] = []
    for microbatch in 0..<schedule.microbatches {
      let ranks = (0..<schedule.stages).map {
        schedule.rank(of: Cell(stage: $0, microbatch: microbatch))
      }
      let pipe = known[ranks, default: pipes.count]
      if pipe == pipes.count {
        known[ranks] = pipe
        pipes.append(Pipe(ranks: ranks, microbatches: []))
      }
      places.append((pipe, pipes[pipe].microbatches.count))
      pipes[pipe].microbatches.append(microbatch)
    }
    var chunks = Array(repeating: [Chunk](), count: schedule.ranks)
    for (number, pipe) in pipes.enumerated() {
      for (stage, rank) in pipe.ranks.enumerated() {
        chunks[rank].append(Chunk(pipe: number, stage: stage))
      }
    }
    self.pipes = pipes
    self.chunks = chunks
    self.places = places
    numbers = chunks.map { list in
      Dictionary(uniqueKeysWithValues: list.enumerated().map { ($1, $0) })
    }
  }

  /// The rank's own number of the chunk that `cell` runs through, and the number of its
  /// micro-batch in its pipe.
  ///
  /// - Precondition: the rank holds the cell.
  package func place(of cell: Cell, onRank rank: Int) -> (chunk: Int, microbatch: Int) {
    let (pipe, number) = places[cell.microbatch]
    guard let chunk = numbers[rank][Chunk(pipe: pipe, stage: cell.stage)] else {
      preconditionFailure("rank \(rank) does not hold stage \(cell.stage) of the micro-batch")
    }
    return (chunk, number)
  }

  package static func == (a: LocalChunks, b: LocalChunks) -> Bool {
    a.pipes == b.pipes && a.chunks == b.chunks
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(pipes) }
}
