// Where the ranks of a launch go: hostfiles, Slurm's environment, and the line of mpirun.

import Coordinator
import Testing

@Suite struct LaunchLineTests {
  private func refusal(_ body: () throws(LaunchError) -> Void) -> String {
    do throws(LaunchError) {
      try body()
      return "accepted"
    } catch { return "\(error.exitCode) \(error.description)" }
  }

  @Test func hostfilesAreReadForHostsAndSlots() throws {
    let text = """
      # two nodes
      node1 slots=8 max_slots=16
      alice@node-2.site  slots=4   # by ssh
      node1 slots=2

      10.0.0.7
      """
    #expect(
      try Hostfile(parsing: text, name: "hosts").hosts == [
        .init(name: "node1", slots: 10), .init(name: "node-2.site", slots: 4),
        .init(name: "10.0.0.7", slots: nil),
      ])
  }

  @Test(
    arguments: [
      ("node1 slot=8", "78 hosts:1: 'slot=8' is neither slots=N nor max_slots=N"),
      ("a\nnode1 slots=eight", "78 hosts:2: slots wants a whole number from 1 to 65536"),
      ("node1 slots=0", "78 hosts:1: slots wants a whole number"),
      ("=8", "78 hosts:1: '=8' is no host"),
      ("# nobody", "78 hosts: it names no host"),
    ])
  func mistakesInHostfilesHaveALine(_ text: String, _ start: String) {
    let message = refusal { () throws(LaunchError) in
      _ = try Hostfile(parsing: text, name: "hosts")
    }
    #expect(message.hasPrefix(start), "\(message)")
  }

  @Test func aMissingHostfileIsMissingInput() {
    let message = refusal { () throws(LaunchError) in _ = try Hostfile(path: "/nowhere/hosts") }
    #expect(message.hasPrefix("66 cannot read the hostfile '/nowhere/hosts'"))
  }

  @Test func aListOfHostsIsRead() throws {
    #expect(
      try Hostfile.hosts(ofList: "node1:4,node2")
        == [.init(name: "node1", slots: 4), .init(name: "node2", slots: nil)])
    for wrong in ["node1,", "node1:x", "node1:2:3", ":4"] {
      let message = refusal { () throws(LaunchError) in _ = try Hostfile.hosts(ofList: wrong) }
      #expect(message.hasPrefix("64 option '--host' wants hosts"), "\(wrong): \(message)")
    }
  }

  // MARK: Slurm

  private let allocated = [
    "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "8",
    "SLURM_JOB_NUM_NODES": "3", "SLURM_JOB_NODELIST": "gpu[08-09,11]",
  ]

  @Test func anAllocationOfSlurmIsFoundInTheEnvironment() throws {
    let allocation = try #require(SlurmAllocation(environment: allocated))
    #expect(allocation.hosts == ["gpu08", "gpu09", "gpu11"])
    #expect(allocation.summary == "job 77 (train), 3 nodes, 8 tasks")
    #expect(SlurmAllocation(environment: ["PATH": "/bin"]) == nil)
    #expect(refusal { () throws(LaunchError) in try allocation.check(ranks: 8) } == "accepted")
    let message = refusal { () throws(LaunchError) in try allocation.check(ranks: 16) }
    #expect(message.hasPrefix("78 Slurm's job 77 has 8 tasks for 16 ranks; ask for --ntasks=16"))
  }

  @Test(
    arguments: [
      ("a", ["a"]), ("a,b3", ["a", "b3"]), ("n[1-3]-ib", ["n1-ib", "n2-ib", "n3-ib"]),
      ("r[1-2]n[09-10],x", ["r1n09", "r1n10", "r2n09", "r2n10", "x"]), ("", []),
    ])
  func listsOfNodesAreExpanded(_ list: String, _ hosts: [String]) throws {
    let environment = ["SLURM_JOB_ID": "1", "SLURM_JOB_NODELIST": list]
    #expect(try #require(SlurmAllocation(environment: environment)).hosts == hosts)
  }

  // MARK: The line

  private func line(_ places: RankPlaces) -> JobLine {
    JobLine(ranks: 4, places: places, directory: "/work", worker: "/opt/dsv3-worker")
  }

  private let settings: [String: String?] = [
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OPENBLAS_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": nil,
  ]

  @Test func ranksOfOneHostNeedNoMore() {
    var line = line(.thisHost)
    let call = line.call(["--quiet"], settings: settings, given: [:])
    #expect(
      call.arguments == ["--bind-to", "none", "-n", "4", "/opt/dsv3-worker", "--quiet"])
    #expect(call.environment == settings && call.directory == "/work")
    line.bindsRanks = true
    line.mpiArguments = ["--mca", "btl", "tcp,self"]
    #expect(
      line.call([], settings: settings, given: [:]).arguments
        == ["--mca", "btl", "tcp,self", "-n", "4", "/opt/dsv3-worker"])
  }

  @Test func ranksOfOtherHostsGetDirectoryAndEnvironment() throws {
    let hosts = try Hostfile(parsing: "node1", name: "hosts")
    let call = line(.hostfile(path: "/work/hosts", hosts)).call(
      [], settings: settings, given: ["LD_LIBRARY_PATH": "/opt/lib"])
    #expect(
      call.arguments == [
        "--bind-to", "none", "--hostfile", "/work/hosts", "--wdir", "/work", "-x",
        "OPENBLAS_NUM_THREADS", "-x", "LD_LIBRARY_PATH", "-n", "4", "/opt/dsv3-worker",
      ])
    let listed = line(.hosts(list: "node1:4", [.init(name: "node1", slots: 4)]))
    #expect(
      listed.call([], settings: settings, given: [:]).arguments.prefix(4)
        == ["--bind-to", "none", "--host", "node1:4"])
  }

  /// Open MPI reads the allocation itself, and more ranks than tasks would be a mistake.
  @Test func underSlurmNoHostsAndNoOversubscription() throws {
    let allocation = try #require(SlurmAllocation(environment: allocated))
    let call = line(.slurm(allocation)).call([], settings: settings, given: [:])
    #expect(!call.arguments.contains("--host") && !call.arguments.contains("--hostfile"))
    #expect(call.environment["OMPI_MCA_rmaps_base_oversubscribe"] == nil)
  }

  @Test func theLineIsWrittenAsOneWouldTypeIt() {
    let call = ProgramCall(
      "mpirun", ["-n", "2", "w", "--set", "data.sources=[it's]", ""],
      environment: ["OMPI_X": "1", "NEVER_SET_ANYWHERE": nil])
    #expect(
      call.shellLine == #"OMPI_X=1 mpirun -n 2 w --set 'data.sources=[it'\''s]' ''"#)
  }
}
