// How a worker is started on ranks: the call of mpirun and its settings.

import Coordinator
import Testing

@Suite struct WorkerCallTests {
  private func settings(
    given: [String: String] = [:], isRoot: Bool = false, shared: Int = 1 << 30, copies: Bool = true
  ) -> [String: String?] {
    MPIRun.settings(
      given: given, isRoot: isRoot, freeSharedMemory: shared, mayCopyBetweenProcesses: copies)
  }

  @Test func manyRanksShareFewCores() {
    #expect(
      settings() == [
        "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
        "OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": nil,
      ])
  }

  @Test func rootAndContainersNeedMore() {
    let more = settings(isRoot: true, shared: 64 << 20, copies: false)
    #expect(more["OMPI_ALLOW_RUN_AS_ROOT"] == "1")
    #expect(more["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1")
    #expect(more["OMPI_MCA_btl_vader_backing_directory"] == "/tmp")
    #expect(more["OMPI_MCA_btl_vader_single_copy_mechanism"] == "none")
    #expect(more.count == settings().count + 4)
  }

  @Test func whatTheCallerHasSetStays() {
    let given = [
      "OPENBLAS_NUM_THREADS": "2", "OMPI_MCA_mpi_yield_when_idle": "0", "KEEP_CORETYPE": "1",
    ]
    #expect(settings(given: given) == ["OMPI_MCA_rmaps_base_oversubscribe": "1"])
  }

  @Test func theCallNamesRanksWorkerAndArguments() {
    var run = MPIRun(ranks: 4, program: "/opt/dsv3-worker", arguments: ["--steps", "2"])
    #expect(run.call.program == "mpirun")
    #expect(
      run.call.arguments
        == ["--bind-to", "none", "-n", "4", "/opt/dsv3-worker", "--steps", "2"])
    run.bindsRanks = true
    #expect(run.call.arguments == ["-n", "4", "/opt/dsv3-worker", "--steps", "2"])
  }

  @Test func aSiblingStandsBesideThisProgram() {
    #expect(Machine.sibling("dsv3-worker").hasSuffix("/dsv3-worker"))
    #expect(Machine.sibling("dsv3-worker").hasPrefix("/"))
    #expect(Machine.processors >= 1)
  }
}
