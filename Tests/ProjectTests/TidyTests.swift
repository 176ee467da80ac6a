// The style guide applied to the project itself, so that it can't rot.
import Testing

struct TidyTests {
  @Test func everySwiftFileKeepsToTheStyle() throws {
    let paths = ["Sources", "Tests"].flatMap(ProjectFiles.swiftFiles)
    // Neither a wrong root nor an empty walk may pass for a tidy project.
    #expect(paths.contains("Tests/ProjectTests/TidyTests.swift"))
    #expect(paths.contains { $0.hasPrefix("Sources/") })
    for path in paths {
      let text = try #require(ProjectFiles.text(of: path))
      let violations = StyleRules.violations(in: SwiftSource(path: path, text: text))
      #expect(violations.isEmpty, "\(violations.joined(separator: "\n"))")
    }
  }

  /// The toolchain and the system's C libraries are all that dsv3 is built from.
  @Test func thePackageDependsOnNoOther() throws {
    let manifest = SwiftSource(
      path: "Package.swift", text: try #require(ProjectFiles.text(of: "Package.swift")))
    let lines = manifest.code.indices.filter { manifest.code[$0].contains(".package(") }
    #expect(manifest.code.contains { $0.contains("Package(") })
    #expect(lines.isEmpty, "\(lines.map { "Package.swift:\($0 + 1): .package(" })")
  }
}
