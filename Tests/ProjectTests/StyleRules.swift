// The style guide, as far as a program can read it: sizes of files, lines and functions, calls
// that are banned, and the comment that opens each file. Every rule names file and line.

enum StyleRules {
  static let longestFile = 600
  static let longestLine = 100
  static let longestFunction = 70

  /// What `source` breaks, as "path:line: what and what instead".
  static func violations(in source: SwiftSource) -> [String] {
    sizes(source) + opening(source) + bannedCalls(source) + leftovers(source) + functions(source)
  }

  private static func sizes(_ source: SwiftSource) -> [String] {
    var found: [String] = []
    if source.lines.count > longestFile {
      found.append("\(source.path):\(longestFile + 1): file of \(source.lines.count) lines")
    }
    for (index, line) in source.lines.enumerated() where line.count > longestLine {
      found.append("\(source.path):\(index + 1): line of \(line.count) columns")
    }
    return found
  }

  private static func opening(_ source: SwiftSource) -> [String] {
    let first = source.lines.first ?? ""
    let isOpening = first.hasPrefix("// ") && !first.hasPrefix("// swift-format-")
    return isOpening ? [] : ["\(source.path):1: the file doesn't open with what it is for"]
  }

  private static func bannedCalls(_ source: SwiftSource) -> [String] {
    let isExecutable = ["Sources/dsv3/", "Sources/dsv3-worker/"].contains {
      source.path.hasPrefix($0)
    }
    var banned = [
      ("try!", "throw, or precondition with a message"), ("as!", "as? with a way out"),
      ("fatalError(", "precondition or preconditionFailure with a message"),
    ]
    if !isExecutable { banned.append(("print(", "output belongs to the executables")) }
    return source.code.enumerated().flatMap { index, line in
      banned.filter { contains(line, call: $0.0) }.map {
        "\(source.path):\(index + 1): \($0.0) (\($0.1))"
      }
    }
  }

  /// Whether `call` stands in `line` as a word of its own and not as somebody's method.
  private static func contains(_ line: String, call: String) -> Bool {
    line.indices.contains { start in
      guard line[start...].hasPrefix(call) else { return false }
      guard start > line.startIndex else { return true }
      let before = line[line.index(before: start)]
      let isMethod = before == "." && !line[..<start].hasSuffix("Swift.")
      return !isMethod && !before.isLetter && !before.isNumber && before != "_"
    }
  }

  private static func leftovers(_ source: SwiftSource) -> [String] {
    let marks: Set<Substring> = ["TODO", "FIXME", "XXX"]
    return source.comments.enumerated().flatMap { index, line in
      line.split { !$0.isLetter }.filter(marks.contains).map {
        "\(source.path):\(index + 1): \($0) left over"
      }
    }
  }

  private static func functions(_ source: SwiftSource) -> [String] {
    source.code.indices.compactMap { start in
      guard declaresFunction(source.code[start]),
        let end = endOfBody(source.code, from: start), end - start + 1 > longestFunction
      else { return nil }
      return "\(source.path):\(start + 1): function of \(end - start + 1) lines"
    }
  }

  /// Whether the line declares something with a body: `func`, `init`, `deinit`, `subscript`, or a
  /// computed property.
  private static func declaresFunction(_ line: String) -> Bool {
    let modifiers: Set<Substring> = [
      "package", "public", "private", "fileprivate", "internal", "open", "static", "class", "final",
      "mutating", "nonmutating", "consuming", "borrowing", "override", "required", "convenience",
      "nonisolated", "isolated", "indirect", "lazy", "unowned", "weak", "dynamic", "optional",
    ]
    let words = withoutAttributes(line).split(separator: " ").drop { word in
      modifiers.contains(word.prefix { $0 != "(" })
    }
    guard let keyword = words.first?.prefix(while: { $0.isLetter }) else { return false }
    if keyword == "var" { return words.last == "{" }
    return ["func", "init", "deinit", "subscript"].contains(keyword)
  }

  /// The line from its first word that is no attribute, such as `@Test(arguments: 0..<3)`.
  private static func withoutAttributes(_ line: String) -> Substring {
    var rest = line.drop { $0 == " " }
    while rest.first == "@" {
      var depth = 0
      rest = rest.drop { character in
        depth += character == "(" ? 1 : character == ")" ? -1 : 0
        return character != " " || depth > 0
      }
      rest = rest.drop { $0 == " " }
    }
    return rest
  }

  /// The line of the brace that closes the body declared at `start`; nil if it has none.
  private static func endOfBody(_ code: [String], from start: Int) -> Int? {
    var parentheses = 0
    var braces = 0
    for index in start..<code.count {
      // A declaration without a body, in a protocol, ends where the next one begins.
      if index > start && braces == 0 && parentheses == 0 && declaresFunction(code[index]) {
        return nil
      }
      for character in code[index] {
        switch character {
        case "(", "[": parentheses += 1
        case ")", "]": parentheses -= 1
        case "{" where parentheses == 0 || braces > 0: braces += 1
        case "}" where parentheses == 0 || braces > 0:
          braces -= 1
          if braces < 0 { return nil }
          if braces == 0 { return index }
        default: break
        }
      }
    }
    return nil
  }
}
