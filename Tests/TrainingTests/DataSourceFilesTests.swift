// Which files become training text, in which order, and what is said of those that can't.
import Testing
import Training

struct DataSourceFilesTests {
  private func names(_ files: SourceFiles, in directory: TestDirectory) -> [String] {
    files.documents.map { String($0.path.dropFirst(directory.path.count + 1)) }
  }

  private func failure(_ sources: [String], in directory: TestDirectory) -> DataError? {
    #expect(throws: DataError.self) {
      try SourceFiles(sources: sources, relativeTo: directory.path)
    }
  }

  /// "-" (0x2d) and "." (0x2e) sort before "/" (0x2f), capitals before small letters, and é in
  /// UTF-8 (0xc3 …) behind every ASCII letter, whatever the locale says.
  @Test func filesComeInTheOrderOfTheBytesOfTheirPaths() throws {
    let directory = TestDirectory()
    for name in ["t/é.md", "t/b/1.md", "t/b.md", "t/b-2.md", "t/a.md", "t/Z.md", "t/z.md"] {
      directory.write(name, name)
    }
    let files = try SourceFiles(sources: ["t"], relativeTo: directory.path)
    #expect(
      names(files, in: directory)
        == ["t/Z.md", "t/a.md", "t/b-2.md", "t/b.md", "t/b/1.md", "t/z.md", "t/é.md"])
    #expect(
      files.documents.map { String(decoding: $0.bytes, as: UTF8.self) }
        == names(files, in: directory))
    #expect(files.skipped.isEmpty)
  }

  @Test func sourcesComeAsListedAndAFileReachedTwiceIsReadOnce() throws {
    let directory = TestDirectory()
    directory.write("b/1", "one")
    directory.write("b/2", "two")
    directory.write("a/3", "three")
    directory.link("a/4", to: "../b/1")
    let files = try SourceFiles(
      sources: ["b/2", "b/", directory("a"), "./a/../b"], relativeTo: directory.path)
    #expect(files.documents.map(\.bytes) == ["two", "one", "three"].map { Array($0.utf8) })
  }

  /// The same letter, composed and decomposed: equal as Swift strings, two files on disk.
  @Test func namesThatDifferOnlyInUnicodeFormAreTwoFiles() throws {
    let directory = TestDirectory()
    directory.write("t/\u{e9}", "composed")
    directory.write("t/e\u{301}", "decomposed")
    let files = try SourceFiles(sources: ["t"], relativeTo: directory.path)
    #expect(
      files.documents.map(\.bytes) == ["decomposed", "composed"].map { Array($0.utf8) })
  }

  @Test func hiddenFilesPicturesAndBuildDirectoriesArePassedOver() throws {
    let directory = TestDirectory()
    for name in [
      "t/.git/x", "t/.x", "t/build/x", "t/node_modules/x", "t/k/__pycache__/x", "t/k/x",
      "t/k/x.svg",
    ] {
      directory.write(name, "text")
    }
    let files = try SourceFiles(sources: ["t"], relativeTo: directory.path)
    #expect(names(files, in: directory) == ["t/k/x"])
    // What is asked for by name is read, hidden or not.
    let asked = try SourceFiles(sources: ["t/.x", "t/build"], relativeTo: directory.path)
    #expect(names(asked, in: directory) == ["t/.x", "t/build/x"])
  }

  @Test func emptyBinaryDanglingAndSpecialEntriesAreSkippedAndListed() throws {
    let directory = TestDirectory()
    directory.write("t/empty", "")
    directory.write("t/nul", [0x61, 0x00, 0x62])
    directory.write("t/latin1", [0x61, 0xe9, 0x62])
    directory.write("t/cut", [0x61, 0xe2, 0x82])
    directory.write("t/late", [UInt8](repeating: 0x61, count: 200_000) + [0])
    directory.write("t/text", "text")
    directory.link("t/gone", to: "nowhere")
    directory.link("t/self", to: "self")
    directory.pipe("t/pipe")
    let files = try SourceFiles(sources: ["t"], relativeTo: directory.path)
    #expect(names(files, in: directory) == ["t/text"])
    #expect(
      files.skipped.map { String($0.dropFirst(directory.path.count + 3)) }.sorted()
        == ["cut", "empty", "gone", "late", "latin1", "nul", "pipe", "self"])
  }

  @Test(.timeLimit(.minutes(1))) func directoriesThatContainThemselvesAreReadOnce() throws {
    let directory = TestDirectory()
    directory.write("t/a/1", "one")
    directory.link("t/a/up", to: "..")
    directory.link("t/b", to: "a")
    directory.link("t/c/there", to: "../d")
    directory.link("t/d/back", to: "../c")
    directory.write("t/d/2", "two")
    let files = try SourceFiles(sources: ["t"], relativeTo: directory.path)
    #expect(files.documents.map(\.bytes) == ["one", "two"].map { Array($0.utf8) })
  }

  @Test func aMissingOrDanglingSourceIsNamed() {
    let directory = TestDirectory()
    directory.link("gone", to: "nowhere")
    directory.link("self", to: "self")
    for name in ["absent", "absent/below", "gone", "self"] {
      let error = failure([name], in: directory)
      #expect(error?.exitCode == 66)
      #expect(error?.description.contains("data.sources: cannot read '\(directory(name))'") == true)
    }
    #expect(
      failure(["gone"], in: directory)
        == .unreadable(path: directory("gone"), reason: "No such file or directory"))
  }

  @Test func aSourceThatIsNoTextOrNoFileIsAnError() {
    let directory = TestDirectory()
    directory.write("nul", [0x61, 0x62, 0x00])
    directory.write("latin1", [0x61, 0xe9, 0x62])
    directory.pipe("pipe")
    #expect(failure(["nul"], in: directory) == .notText(path: directory("nul"), offset: 2))
    #expect(failure(["latin1"], in: directory) == .notText(path: directory("latin1"), offset: 1))
    #expect(failure(["nul"], in: directory)?.exitCode == 65)
    #expect(failure(["pipe"], in: directory)?.exitCode == 66)
    #expect(failure([], in: directory) == .noSources)
  }
}
