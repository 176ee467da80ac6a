// The event engine: one step of many GPUs in integer picoseconds. Compute runs slower beside a
// transfer; an exchange starts when its whole group has come, and runs slower beside compute and
// where pipeline messages share its NIC. Events are taken in the order of time, then of rank;
// nothing else decides, so the same workload gives the same timeline, bit for bit.

internal import Fabric
internal import ModelSpec
internal import Workload

/// Simulates one workload under one set of prices.
final class StepEngine<Costs: StepCosting> {
  let costs: Costs
  let places: RankPlaces
  let compiled: [CompiledProgram]
  /// By pipeline rank, the same in plain memory.
  let programs: UnsafeMutableBufferPointer<PinnedProgram>
  let count: Int
  let ranks: UnsafeMutablePointer<RankState>
  let tree: TimeTree
  let groups: UnsafeMutablePointer<GroupState>
  var rows: ExchangeRows
  var collectives: CollectiveCounters
  /// By rank × messages + ordinal.
  let arrived: UnsafeMutablePointer<Bool>
  let messages: Int
  let recorder: TimelineRecorder?
  var exposures = ExposureList()
  var traffic = LinkTraffic()
  private(set) var events = 0

  init(
    _ workload: Workload, costs: Costs, places: RankPlaces, faults: Faults,
    recorder: TimelineRecorder?
  ) {
    self.costs = costs
    self.places = places
    self.recorder = recorder
    compiled = ProgramCompiler(workload, costs: costs).compile()
    programs = .allocate(capacity: compiled.count)
    _ = programs.initialize(from: compiled.map { PinnedProgram($0) })
    count = places.count
    ranks = .allocate(capacity: count)
    ranks.initialize(repeating: RankState(), count: count)
    groups = .allocate(capacity: places.groups.count)
    groups.initialize(repeating: GroupState(), count: places.groups.count)
    tree = TimeTree(count: count + places.groups.count)
    rows = ExchangeRows(workload, compiled, places, deadNICs: faults.deadNICs)
    collectives = CollectiveCounters(compiled, places, expert: workload.layout.expert)
    let messages = compiled.map(\.messages).max() ?? 0
    self.messages = messages
    arrived = .allocate(capacity: max(count * messages, 1))
    arrived.initialize(repeating: false, count: max(count * messages, 1))
    for index in 0..<count {
      ranks[index].program = places.program[index]
      ranks[index].dataRank = places.dataRank[index]
      ranks[index].group = places.group[index]
      ranks[index].slowness = 1 / (faults.slowGPUs[Int(places.worldRank[index])] ?? 1)
      ranks[index].isTraced = recorder?.wants(Int(places.worldRank[index])) ?? false
    }
    recorder?.reserve(
      (0..<count).reduce(0) { sum, rank in
        let program = compiled[Int(ranks[rank].program)]
        return ranks[rank].isTraced ? sum + program.eventCount : sum
      })
  }

  deinit {
    for program in programs { program.deallocate() }
    programs.deallocate()
    ranks.deallocate()
    groups.deallocate()
    arrived.deallocate()
  }

  /// Runs to the end; the instant of the last event. `progress` hears now and then which share of
  /// the events is done, about.
  func run(progress: (Double) -> Void) -> Int64 {
    let all = places.program.reduce(0) { $0 + compiled[Int($1)].eventCount }
    for rank in 0..<count { advance(rank, 0) }
    var now: Int64 = 0
    while true {
      let (leaf, time) = tree.first
      if time == TimeTree.never { break }
      precondition(time >= now, "time does not go back")
      now = time
      events += 1
      if events & 0x3FFFF == 0 { progress(min(Double(events) / Double(all), 1)) }
      if leaf < count { handle(leaf, time) } else { beginTransfers(ofGroup: leaf - count, time) }
    }
    for rank in 0..<count {
      precondition(isFinished(rank), "a checked workload runs to its end")
      ranks[rank].spent.bubble += now - endOfWork(rank)
    }
    return now
  }

  /// Everything of one rank that is due.
  private func handle(_ rank: Int, _ now: Int64) {
    let wasComputing = ranks[rank].compute.isRunning
    if wasComputing && ranks[rank].compute.end == now { finishCompute(rank, now) }
    if ranks[rank].exchange.phase == .transferring && ranks[rank].exchange.end == now {
      finishExchange(rank, now)
    }
    if ranks[rank].send.isRunning && ranks[rank].send.end == now { finishSend(rank, now) }
    if ranks[rank].collective.phase == .running && ranks[rank].collective.end == now {
      ranks[rank].collective.phase = .idle
      ranks[rank].collective.done += 1
    }
    advance(rank, now, wasComputing: wasComputing)
  }

  /// Starts what can start on a rank's streams.
  func advance(_ rank: Int, _ now: Int64, wasComputing: Bool = false) {
    startCollective(rank, now)
    startExchange(rank, now)
    startSend(rank, now)
    if !ranks[rank].compute.isRunning { startCompute(rank, now) }
    // Also between two segments: sends that started or ended there took the rank for idle.
    if wasComputing || ranks[rank].compute.isRunning { shareLinks(rank, now) }
    tree.set(rank, ranks[rank].nextEvent)
  }

  // MARK: Waiting

  func isDone(_ waits: Waits, _ rank: Int) -> Bool {
    isDone(waits.first, rank) && isDone(waits.second, rank) && isDone(waits.third, rank)
  }

  private func isDone(_ wait: Wait, _ rank: Int) -> Bool {
    switch wait.stream {
    case Wait.none.stream: true
    case Stream.compute.rawValue: ranks[rank].compute.done > wait.position
    case Stream.exchange.rawValue: ranks[rank].exchange.done > wait.position
    case Stream.pipeline.rawValue: ranks[rank].send.done > wait.position
    case Stream.collective.rawValue: ranks[rank].collective.done > wait.position
    default: arrived[rank * messages + Int(wait.position)]
    }
  }

  private func isFinished(_ rank: Int) -> Bool {
    let program = programs[Int(ranks[rank].program)]
    return ranks[rank].compute.done == program.segments.count
      && ranks[rank].exchange.done == program.exchanges.count
      && ranks[rank].send.done == program.sends.count
      && ranks[rank].collective.done == program.collectives.count
  }

  /// When the rank's last compute or collective ended; its collectives count for the optimizer.
  private func endOfWork(_ rank: Int) -> Int64 {
    let computeEnd = ranks[rank].compute.idleSince
    let collectiveEnd = ranks[rank].collective.end
    guard collectiveEnd > computeEnd else { return computeEnd }
    let waited = min(ranks[rank].collective.waited, collectiveEnd - computeEnd)
    ranks[rank].spent.bubble += waited
    ranks[rank].spent.optimizer += collectiveEnd - computeEnd - waited
    ranks[rank].spent.exposedCollectives += collectiveEnd - computeEnd - waited
    return collectiveEnd
  }
}
