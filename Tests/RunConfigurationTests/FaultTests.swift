// The language of faults: what it says reads back to itself, and what it doesn't know is refused
// with the form that was most likely meant.

import RunConfiguration
import Testing

@Suite struct FaultTests {
  @Test(arguments: Fault.Kind.allCases, [nil, 7])
  func textReadsBackToItself(kind: Fault.Kind, step: Int?) throws {
    var fault = Fault(kind, rank: kind == .corrupt ? nil : 12, step: step)
    if kind == .slow { (fault.factor, fault.length) = (2.5, 9) }
    #expect(Fault(parsing: fault.text) == fault)
  }

  @Test func aListAndASingleFaultAreRead() throws {
    let read = try configuration("faults: [kill 3 at 10, slow 2 at 4 by 3]")
    var slow = Fault(.slow, rank: 2, step: 4)
    slow.factor = 3
    #expect(read.faults == [Fault(.kill, rank: 3, step: 10), slow])
    #expect(slow.length == 5)
    #expect(try configuration("faults: corrupt at 50").faults == [Fault(.corrupt, step: 50)])
    #expect(try configuration("faults: none").faults.isEmpty)
  }

  @Test(arguments: [
    ("kil 3 at 10", "did you mean 'kill'?"), ("burn 3 at 10", "faults are kill, hang, nan"),
    ("kill at 10", "'kill RANK at STEP'"), ("kill 3", "the step is missing"),
    ("kill 3 at 0", "'kill RANK at STEP'"), ("kill -1 at 3", "'kill RANK at STEP'"),
    ("kill 3 at 10 by 2", "'kill RANK at STEP'"), ("kill 3 at 10 at 11", "'kill RANK at STEP'"),
    ("slow 2 at 4", "by FACTOR"), ("slow 2 at 4 by 0.5", "FACTOR ≥ 1"),
    ("slow 2 at 4 by nan", "FACTOR ≥ 1"), ("slow 2 at 4 by", "by FACTOR"),
    ("corrupt 3 at 5", "'corrupt at STEP'"), ("[]", "without items"),
    ("{kill: 3}", "expected a fault such as kill 3 at 10"),
    ("[kill 3 at 10, kill 3 at 10]", "'kill 3 at 10' stands twice"),
    ("[kill 3 at 10, flip 16 at 2]", "there is no rank 16; the layout has ranks 0 to 15"),
  ])
  func mistakesAreRefusedWithWhatIsRight(value: String, says: String) {
    let message = refusal("faults: " + value)
    #expect(message.contains("cluster.yaml:1:") && message.contains("faults"), "\(message)")
    #expect(message.contains(says), "\(message)")
  }
}
