// Proof that the style rules can fail: each finds what it forbids, where it stands, and nothing in
// text that only looks like it.
import Testing

struct StyleRulesTests {
  private func violations(
    _ text: String, path: String = "Sources/Room/File.swift", opening: Bool = true
  ) -> [String] {
    StyleRules.violations(in: SwiftSource(path: path, text: opening ? "// For.\n" + text : text))
  }

  private func function(lines: Int, opening: String = "func f() {") -> String {
    "\(opening)\n" + String(repeating: "  g()\n", count: lines - 2) + "}\n"
  }

  @Test func longFilesAndLinesAreFound() {
    #expect(violations(String(repeating: "\n", count: 599)).isEmpty)
    #expect(
      violations(String(repeating: "\n", count: 600))
        == ["Sources/Room/File.swift:601: file of 601 lines"])
    // Columns are characters, not bytes.
    let line = "// " + String(repeating: "é", count: 97)
    #expect(violations(line).isEmpty)
    #expect(violations("\n\(line)é") == ["Sources/Room/File.swift:3: line of 101 columns"])
  }

  @Test(arguments: ["", "import Testing\n", "\n// Late.\n", "/* Block. */\n", "/// Doc.\n"])
  func filesWithoutAnOpeningCommentAreFound(text: String) {
    let found = violations(text, opening: false)
    #expect(found.count == 1 && found[0].hasPrefix("Sources/Room/File.swift:1: "))
  }

  @Test(arguments: [
    "let x = try! f()", "let x = y as! Int", "fatalError()", "fatalError(\"no\")", "print(x)",
    "  Swift.print(x)", "if a { print(1) }", "f(\"\\(y as! Int)\")",
    "f(\"\\(g(\"a\"))\"); print(1)",
    "/* a /* b */ c */ print(1)", "f(#\"\\\"#); print(1)", "f(\"\"\"\n\"\n\"\"\"); print(1)",
  ])
  func bannedCallsAreFound(code: String) {
    let found = violations(code)
    let line = code.contains("\n") ? 4 : 2
    #expect(found.count == 1 && found[0].hasPrefix("Sources/Room/File.swift:\(line): "))
  }

  @Test(arguments: [
    "// try! print( fatalError( as!", "/* a /* try! */ print( */", "f(\"try! as! print(\")",
    "f(#\"a\"try! \"b\"#)", "f(\"\"\"\n  print( \"try!\"\n\"\"\")", "blueprint(x)", "_print(x)",
    "page.print(x)", "try? f()", "y as? Int", "f(\"\\\"print(\")", "f(\"\\(g(\"print(\"))\")",
  ])
  func whatOnlyLooksLikeABannedCallIsNot(code: String) {
    #expect(violations(code).isEmpty)
  }

  @Test func executablesMayPrint() {
    for path in ["Sources/dsv3/main.swift", "Sources/dsv3-worker/main.swift"] {
      #expect(violations("print(1)", path: path).isEmpty)
      #expect(violations("try! f()", path: path).count == 1)
    }
    #expect(violations("print(1)", path: "Sources/dsv3-other/main.swift").count == 1)
    #expect(violations("print(1)", path: "Tests/RoomTests/File.swift").count == 1)
  }

  @Test func leftoversAreFoundInCommentsOnly() {
    for mark in ["TODO", "FIXME", "XXX"] {
      let expected = ["Sources/Room/File.swift:2: \(mark) left over"]
      #expect(violations("// \(mark): later") == expected)
      #expect(violations("f() /* \(mark) */") == expected)
      #expect(violations("f(\"\(mark)\")").isEmpty)
      #expect(violations("// \(mark)X").isEmpty)
    }
  }

  @Test(arguments: [
    "func f() {", "  package static func f<T>(_ x: T) -> [T] where T: P {", "init() {",
    "init?(x: Int) {",
    "deinit {", "subscript(i: Int) -> Int {", "@Test(arguments: 0..<3) func f(x: Int) {",
    "private(set) var x: Int {", "func f(g: () -> Void = { h() }) {",
    "mutating func f() throws(E) {",
    "nonisolated(unsafe) static func f() {",
  ])
  func longFunctionsAreFound(opening: String) {
    #expect(violations(function(lines: 70, opening: opening)).isEmpty)
    #expect(
      violations("\n" + function(lines: 71, opening: opening))
        == ["Sources/Room/File.swift:3: function of 71 lines"])
  }

  @Test func onlyTheLongFunctionIsBlamed() {
    let short = String(repeating: function(lines: 40), count: 3)
    #expect(violations("struct S {\n\(short)}\n").isEmpty)
    // Requirements of a protocol have no body, whatever comes behind them.
    let requirements = String(repeating: "  func f(x: Int) -> Int\n\n", count: 50)
    #expect(violations("protocol P {\n\(requirements)}\n\(function(lines: 60))").isEmpty)
    // A signature over several lines counts, and braces in strings and comments don't.
    let signature = "func f(\n  a: Int,\n  b: Int\n) {\n  g(\"}\") // }\n"
    let body = String(repeating: "  if a { b() }\n", count: 64)
    #expect(violations(signature + body + "}\n").isEmpty)
    #expect(
      violations(signature + body + "  c()\n}\n")
        == ["Sources/Room/File.swift:2: function of 71 lines"])
  }
}
