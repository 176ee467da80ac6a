// The container, the workflow and the README ask for what the Makefile's setup asks for: a library
// that one of them forgets would be missed by whoever starts there.

import RunConfiguration
import Testing

@Suite struct ContainerTests {
  /// Debian's names of everything that `make setup` would install.
  private static var packages: [String] {
    let setup = ProjectFiles.text(of: ".make/setup") ?? ""
    return setup.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: " ")
      guard let last = parts.last, last.hasPrefix("missing+=("), last.hasSuffix(")") else {
        return nil
      }
      return String(last.dropFirst("missing+=(".count).dropLast())
    }
  }

  private static func words(of path: String) -> Set<String> {
    let text = ProjectFiles.text(of: path) ?? ""
    return Set(text.split { !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init))
  }

  @Test func setupNamesItsPackages() {
    #expect(Self.packages.count >= 8)
    #expect(Self.packages.contains("libopenmpi-dev"))
  }

  @Test(arguments: ["docker/Dockerfile", "README.md"])
  func whatSetupInstallsIsNamed(in file: String) {
    let words = Self.words(of: file)
    #expect(Self.packages.filter { !words.contains($0) } == [])
  }

  @Test func composeStartsWhatTheImageHas() throws {
    let text = try #require(ProjectFiles.text(of: "docker/compose.yaml"))
    let tree = try YAMLNode.parse(Array(text.utf8), source: .file("docker/compose.yaml"))
    let services = try #require(tree["services"])
    for name in ["node", "head", "dashboard"] {
      let service = try #require(services[name])
      let command = try #require(service["command"])
      #expect("\(command)".contains(name == "dashboard" ? "dsv3" : "docker/cluster"))
      #expect("\(service["image"] as Any)".contains("dsv3"))
    }
    for script in ["docker/cluster", "docker/dsv3.sbatch", "Tests/MultiHost/with-hosts"] {
      #expect(ProjectFiles.text(of: script)?.hasPrefix("#!/usr/bin/env bash\n") == true)
      #expect(ProjectFiles.isExecutable(script))
    }
  }

  @Test func theWorkflowRunsWhatEveryChangeMustPass() {
    #expect(ProjectFiles.text(of: ".github/workflows/ci.yml")?.contains("run: .ci/run") == true)
  }
}
