// Reads SVG text back, strictly: tags that nest, attributes in quotes, the five named entities.
// What a picture's places are checked with; it shares nothing with the writer.

/// An element and what is in it.
struct SVGElement {
  var name = ""
  var attributes: [String: String] = [:]
  var children: [SVGElement] = []
  /// Character data of its own, entities resolved.
  var text = ""

  var style: String { attributes["class"] ?? "" }
  func number(_ name: String) -> Double { Double(attributes[name] ?? "0") ?? .nan }

  /// It and everything below it, in document order.
  var all: [SVGElement] { [self] + children.flatMap(\.all) }

  /// Elements of a name and a style class below it.
  func all(_ name: String, style: String? = nil) -> [SVGElement] {
    all.filter { $0.name == name && (style == nil || $0.style == style) }
  }

  struct Malformed: Error {
    var what: String
  }

  /// The root of a document.
  init(parsing text: String) throws {
    var open = [SVGElement()]
    var rest = text[...]
    while let start = rest.firstIndex(of: "<") {
      open[open.count - 1].text += try Self.resolved(rest[..<start])
      guard let end = rest[start...].firstIndex(of: ">") else { throw Malformed(what: "no >") }
      var tag = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      if tag.first == "/" {
        guard open.count > 1, let element = open.popLast(), element.name == tag.dropFirst() else {
          throw Malformed(what: "</\(tag)> closes nothing")
        }
        open[open.count - 1].children.append(element)
        continue
      }
      let isEmpty = tag.last == "/"
      if isEmpty { tag = tag.dropLast() }
      let element = try Self.opened(tag)
      if isEmpty { open[open.count - 1].children.append(element) } else { open.append(element) }
    }
    guard open.count == 1, open[0].children.count == 1, rest.allSatisfy(\.isWhitespace) else {
      throw Malformed(what: "not one root")
    }
    self = open[0].children[0]
  }

  private init() {}

  /// `rect x="1" y="2"`.
  private static func opened(_ tag: Substring) throws -> SVGElement {
    var element = SVGElement()
    element.name = String(tag.prefix { $0.isLetter })
    guard !element.name.isEmpty else { throw Malformed(what: "<\(tag)>") }
    var rest = tag.dropFirst(element.name.count)
    while rest.first == " " {
      rest = rest.drop { $0 == " " }
      let name = String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" })
      rest = rest.dropFirst(name.count)
      guard !name.isEmpty, rest.hasPrefix("=\""), element.attributes[name] == nil else {
        throw Malformed(what: "attribute in <\(tag)>")
      }
      rest = rest.dropFirst(2)
      guard let end = rest.firstIndex(of: "\"") else { throw Malformed(what: "quote in <\(tag)>") }
      element.attributes[name] = try resolved(rest[..<end])
      rest = rest[rest.index(after: end)...]
    }
    guard rest.isEmpty else { throw Malformed(what: "<\(tag)>") }
    return element
  }

  private static func resolved(_ text: Substring) throws -> String {
    var parts = text.split(separator: "&", omittingEmptySubsequences: false)
    let entities = ["amp;": "&", "lt;": "<", "gt;": ">", "quot;": "\"", "apos;": "'"]
    var result = String(parts.removeFirst())
    for part in parts {
      guard let (name, character) = entities.first(where: { part.hasPrefix($0.key) }) else {
        throw Malformed(what: "&\(part.prefix(8))")
      }
      result += character + part.dropFirst(name.count)
    }
    return result
  }
}
