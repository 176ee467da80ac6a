// swift-tools-version: 6.2
// The rooms of dsv3 and who may know whom (docs/architecture.md). No package dependencies: the
// Swift toolchain, and Debian's C libraries as system-library targets.
import Foundation
import PackageDescription

/// Vector instructions to compile for. Swift emits SSE2 unless told otherwise; every x86-64 server
/// of the last decade has AVX2 and FMA. `DSV3_TARGET_CPU` overrides, `baseline` asks for none.
let targetCPU: String? = {
  if let asked = ProcessInfo.processInfo.environment["DSV3_TARGET_CPU"] {
    return asked == "baseline" ? nil : asked
  }
  let cpuinfo = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
  return cpuinfo.contains(" avx2 ") && cpuinfo.contains(" fma ") ? "haswell" : nil
}()

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]
let vectorised: [SwiftSetting] =
  targetCPU.map {
    [
      .unsafeFlags(["-target-cpu", $0], .when(configuration: .release)),
      // Fused multiply-add is one instruction there, and a call of the C library elsewhere.
      .define("DSV3_FMA", .when(configuration: .release)),
    ]
  } ?? []

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict + vectorised)
}

func command(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict + vectorised)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: strict + vectorised)
}

let package = Package(
  name: "dsv3",
  products: [
    .executable(name: "dsv3", targets: ["dsv3"]),
    .executable(name: "dsv3-worker", targets: ["dsv3-worker"]),
  ],
  targets: [
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(
      name: "CMicroHTTPD", pkgConfig: "libmicrohttpd",
      providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CSystem"),

    room("Units"),
    room("JSON"),
    room("RunFiles", ["JSON", "CSystem"]),
    room("ModelSpec", ["JSON"]),
    room("Schedules"),
    room("Fabric", ["Units", "JSON"]),
    room("Workload", ["Units", "JSON", "ModelSpec", "Schedules"]),
    room("Simulation", ["Units", "JSON", "ModelSpec", "Schedules", "Fabric", "Workload"]),
    room("NumberFormats"),
    room("Kernels", ["COpenBLAS", "CSystem", "NumberFormats"]),
    room("Model", ["Kernels", "JSON", "ModelSpec", "NumberFormats"]),
    room(
      "Checkpoints", ["Model", "ModelSpec", "JSON", "RunFiles", "NumberFormats", "CXXHash"]),
    room("MessagePassing", ["COpenMPI", "CSystem", "NumberFormats"]),
    room("RunConfiguration", ["CYAML", "JSON", "Units", "ModelSpec", "Schedules", "Fabric"]),
    room(
      "Training",
      [
        "Model", "Kernels", "JSON", "ModelSpec", "MessagePassing", "Schedules", "Workload",
        "CSystem", "NumberFormats", "RunFiles", "Checkpoints",
      ]),

    room(
      "VirtualCluster",
      ["RunConfiguration", "Simulation", "Workload", "Fabric", "Units", "ModelSpec", "Schedules"]),

    room(
      "Coordinator",
      [
        "RunConfiguration", "Simulation", "VirtualCluster", "ModelSpec", "Schedules", "JSON",
        "RunFiles", "Units", "CSystem", "CSQLite",
      ]),
    room("Dashboard", ["Coordinator", "RunConfiguration", "JSON", "RunFiles", "CMicroHTTPD"]),

    command(
      "dsv3",
      [
        "VirtualCluster", "Coordinator", "Dashboard", "RunFiles", "Checkpoints",
        "RunConfiguration", "Model", "ModelSpec", "JSON", "Schedules", "Kernels", "Units",
        "Fabric",
        "Workload", "Simulation", "CSystem", "NumberFormats",
      ]),
    command(
      "dsv3-worker",
      [
        "VirtualCluster", "RunConfiguration", "Training", "MessagePassing", "Model", "ModelSpec",
        "Schedules", "JSON", "Units", "Fabric", "Workload", "Simulation", "CSystem", "RunFiles",
        "Checkpoints", "Kernels",
      ]),

    tests("UnitsTests", ["Units"]),
    tests("ModelSpecTests", ["ModelSpec", "JSON"]),
    tests("FabricTests", ["Fabric", "Units", "JSON"]),
    tests("WorkloadTests", ["Workload", "Units", "ModelSpec", "Schedules"]),
    tests(
      "SimulationTests", ["Simulation", "Workload", "Fabric", "Units", "ModelSpec", "Schedules"]),
    tests(
      "VirtualClusterTests",
      [
        "VirtualCluster", "RunConfiguration", "Simulation", "Workload", "Fabric", "Units",
        "ModelSpec", "Schedules", "JSON",
      ]),
    tests("SchedulesTests", ["Schedules"]),
    tests("NumberFormatsTests", ["NumberFormats", "JSON"]),
    tests("KernelsTests", ["Kernels", "NumberFormats"]),
    tests("ModelTests", ["Model", "Kernels", "JSON", "ModelSpec"]),
    .target(
      name: "MPITestSupport", dependencies: ["MessagePassing"], path: "Tests/MPITestSupport",
      swiftSettings: strict + vectorised),
    tests("MessagePassingTests", ["MessagePassing", "MPITestSupport", "CSystem"]),
    tests(
      "RunConfigurationTests",
      ["RunConfiguration", "JSON", "Units", "ModelSpec", "Schedules", "Fabric"]),
    tests(
      "TrainingTests",
      [
        "Training", "Model", "Kernels", "ModelSpec", "MessagePassing", "MPITestSupport",
        "Schedules", "Workload", "JSON", "Simulation", "Units", "RunFiles",
        "Checkpoints",
      ]),
    tests("RunFilesTests", ["RunFiles", "JSON"]),
    tests(
      "CoordinatorTests",
      ["Coordinator", "RunConfiguration", "JSON", "ModelSpec", "RunFiles", "Schedules"]),
    tests("DashboardTests", ["Dashboard", "Coordinator", "RunFiles", "JSON"]),
    tests(
      "CommandTests",
      [
        "Coordinator", "RunFiles", "Checkpoints",
        "Model", "ModelSpec", "JSON", "RunConfiguration", "Schedules", "Training", "Workload",
      ]),
    tests("ProjectTests", ["RunConfiguration"]),
  ],
  swiftLanguageModes: [.v6]
)
