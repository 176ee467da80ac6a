// The funnel for every call into libyaml: events as Swift values, and its errors as
// ConfigurationErrors that say in plain words what libyaml tells a YAML expert.

internal import CYAML

/// An event of libyaml, copied out of it.
struct YAMLEvent {
  enum Kind: Equatable {
    case streamStart, streamEnd, documentStart, documentEnd
    case scalar(String, isPlain: Bool)
    case sequenceStart, sequenceEnd, mappingStart, mappingEnd
  }

  var kind: Kind
  var origin: Origin
}

/// libyaml's parser over bytes that outlive it.
struct YAMLEvents: ~Copyable {
  // On the heap, because libyaml keeps a pointer to the parser inside it.
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let bytes: UnsafeBufferPointer<UInt8>
  private let source: YAMLSource

  /// - Parameter bytes: must stay in place as long as this value lives.
  init(_ bytes: UnsafeBufferPointer<UInt8>, source: YAMLSource) {
    self.bytes = bytes
    self.source = source
    parser = .allocate(capacity: 1)
    parser.initialize(to: yaml_parser_t())
    let initialised = yaml_parser_initialize(parser)
    precondition(initialised == 1, "out of memory for a YAML parser")
    yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deinitialize(count: 1)
    parser.deallocate()
  }

  /// The next event. After `.streamEnd` there is none to ask for.
  mutating func next() throws(ConfigurationError) -> YAMLEvent {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
    defer { yaml_event_delete(&event) }
    let origin = place(event.start_mark)
    let data = event.data
    switch event.type {
    case YAML_STREAM_START_EVENT: return YAMLEvent(kind: .streamStart, origin: origin)
    case YAML_STREAM_END_EVENT, YAML_NO_EVENT:
      return YAMLEvent(kind: .streamEnd, origin: origin)
    case YAML_DOCUMENT_START_EVENT: return YAMLEvent(kind: .documentStart, origin: origin)
    case YAML_DOCUMENT_END_EVENT: return YAMLEvent(kind: .documentEnd, origin: origin)
    case YAML_SCALAR_EVENT:
      try refuse(anchor: data.scalar.anchor, tag: data.scalar.tag, at: origin)
      return YAMLEvent(kind: try scalar(event, at: origin), origin: origin)
    case YAML_SEQUENCE_START_EVENT:
      try refuse(anchor: data.sequence_start.anchor, tag: data.sequence_start.tag, at: origin)
      return YAMLEvent(kind: .sequenceStart, origin: origin)
    case YAML_SEQUENCE_END_EVENT: return YAMLEvent(kind: .sequenceEnd, origin: origin)
    case YAML_MAPPING_START_EVENT:
      try refuse(anchor: data.mapping_start.anchor, tag: data.mapping_start.tag, at: origin)
      return YAMLEvent(kind: .mappingStart, origin: origin)
    case YAML_MAPPING_END_EVENT: return YAMLEvent(kind: .mappingEnd, origin: origin)
    default:
      throw ConfigurationError(
        "YAML aliases ('*name') are not supported; write the value itself", origin: origin)
    }
  }

  private func scalar(
    _ event: yaml_event_t, at origin: Origin
  ) throws(ConfigurationError) -> YAMLEvent.Kind {
    let scalar = event.data.scalar
    let text = String(
      decoding: UnsafeBufferPointer(start: scalar.value, count: Int(scalar.length)),
      as: UTF8.self)
    if text.utf8.contains(0) {
      throw ConfigurationError("a value cannot contain a NUL character", origin: origin)
    }
    return .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
  }

  private func refuse(
    anchor: UnsafePointer<yaml_char_t>?, tag: UnsafePointer<yaml_char_t>?, at origin: Origin
  ) throws(ConfigurationError) {
    if anchor != nil {
      throw ConfigurationError(
        "YAML anchors ('&name') are not supported; write the value where it is needed",
        origin: origin)
    }
    if let tag {
      let name = printable(String(cString: tag))
      throw ConfigurationError(
        "YAML tags are not supported (here '\(name)'); write the plain value", origin: origin)
    }
  }

  private func place(_ mark: yaml_mark_t) -> Origin {
    source.origin(line: Int(mark.line), column: Int(mark.column))
  }
}

extension YAMLEvents {
  /// What libyaml has just refused, in plain words.
  private func syntaxError() -> ConfigurationError {
    let problem = parser.pointee.problem.map { String(cString: $0) } ?? "it cannot be read"
    switch parser.pointee.error {
    case YAML_MEMORY_ERROR:
      return ConfigurationError("out of memory while reading YAML")
    case YAML_READER_ERROR:
      let offset = min(Int(parser.pointee.problem_offset), bytes.count)
      return ConfigurationError(
        "not readable text: \(problem); a configuration is plain UTF-8", origin: place(offset))
    default:
      let words = plainWords(problem)
      return ConfigurationError("not valid YAML: \(words)", origin: place(syntaxMark(problem)))
    }
  }

  /// Where to point: at the line that lacks its colon rather than at the line after it.
  private func syntaxMark(_ problem: String) -> yaml_mark_t {
    problem == "could not find expected ':'"
      ? parser.pointee.context_mark : parser.pointee.problem_mark
  }

  private func plainWords(_ problem: String) -> String {
    let begun = parser.pointee.context_mark
    let opened = "line \(begun.line + 1), column \(begun.column + 1)"
    if character(at: Int(parser.pointee.problem_mark.index)) == UInt8(ascii: "\t") {
      return "a tab stands here; indent with spaces"
    }
    switch problem {
    case "could not find expected ':'":
      return "a key here is not followed by ':' and a space"
    case "did not find expected ',' or ']'":
      return "expected ',' or ']' in the list that '[' begins at \(opened)"
    case "did not find expected ',' or '}'":
      return "expected ',' or '}' in the mapping that '{' begins at \(opened)"
    case "mapping values are not allowed in this context":
      return "a ':' does not fit here; the line above may lack its ':', "
        + "or the indentation is off"
    case "did not find expected key":
      return "expected a key; the indentation differs from that of the keys above"
    case "found unexpected end of stream":
      return "the quotation mark at \(opened) is not closed"
    default:
      let context = parser.pointee.context.map { " " + String(cString: $0) } ?? ""
      return problem + context
    }
  }

  /// The first byte of the character with this index.
  private func character(at index: Int) -> UInt8? {
    var count = 0
    for byte in bytes where byte & 0xC0 != 0x80 {
      if count == index { return byte }
      count += 1
    }
    return nil
  }

  private func place(_ offset: Int) -> Origin {
    var line = 0
    var column = 0
    for byte in bytes[..<offset] where byte & 0xC0 != 0x80 {
      column += 1
      if byte == UInt8(ascii: "\n") {
        line += 1
        column = 0
      }
    }
    return source.origin(line: line, column: column)
  }
}
