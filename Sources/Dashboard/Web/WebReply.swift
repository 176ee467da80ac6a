// What goes back: a body with its type, and the headers that every reply has.

internal import JSON

struct WebReply: Sendable, Equatable {
  var status = 200
  var type: String
  var body: [UInt8]
  /// Quoted, of the body; nil for what has none.
  var tag: String?
  /// Further headers.
  var headers: [WebRequest.Field] = []

  /// A body that a client may keep and ask about again.
  init(_ type: String, _ body: [UInt8], tagged: Bool = true) {
    self.type = type
    self.body = body
    if tagged { tag = Self.tag(of: body) }
  }

  /// JSON on one line.
  init(_ value: JSONValue) {
    self.init(Self.json, value.line() + [UInt8(ascii: "\n")])
  }

  init(_ refusal: WebRefusal) {
    let error = JSONValue.object(["error": .string(refusal.message)])
    self.init(Self.json, error.line() + [UInt8(ascii: "\n")], tagged: false)
    status = refusal.status
    if status == 405 { headers = [WebRequest.Field(name: "Allow", value: "GET, HEAD")] }
  }

  static let json = "application/json; charset=utf-8"

  /// The same without body when the client has it already.
  func answering(_ request: WebRequest) -> WebReply {
    guard status == 200, let tag, request.header("if-none-match").contains(tag) else {
      return self
    }
    var short = self
    short.status = 304
    short.body = []
    return short
  }

  /// Nothing is loaded from elsewhere, nothing inline is run, nobody frames the page, and no other
  /// site is told or shown anything.
  static let security: [(name: String, value: String)] = [
    (
      "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
  ]

  var allHeaders: [(name: String, value: String)] {
    var all: [(name: String, value: String)] = [
      ("Content-Type", type), ("Cache-Control", tag == nil ? "no-store" : "no-cache"),
    ]
    if let tag { all.append(("ETag", tag)) }
    all += headers.map { ($0.name, $0.value ?? "") }
    return all + Self.security
  }

  /// FNV-1a of 64 bits, quoted.
  static func tag(of body: [UInt8]) -> String {
    let hash = body.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    return "\"\(String(hash, radix: 16))-\(body.count)\""
  }
}
