// Reads one cell of a schedule file. Stricter than PyTorch's reader, which matches the beginning
// of a cell only: `0F0junk`, `2BW0` and `2B` pass there and are refused here with what would be
// right.

/// Recursive descent over the bytes of one cell.
struct ActionParser {
  /// What a cell may hold.
  enum Content: Hashable {
    case idle
    case action(Action)
    /// FSDP's `0UNSHARD`, `0RESHARD` or `0REDUCE_GRAD`: legal in a file, no part of a schedule.
    case sharding(String)
  }

  /// Largest stage or micro-batch number. Far above any pipeline; low enough that sums of a few of
  /// them cannot overflow and nothing is ever sized by a hostile one.
  static let largestNumber = 1_000_000

  private static let sharding: Set<String> = ["UNSHARD", "RESHARD", "REDUCE_GRAD"]
  private static let kinds = "F, B, I, W, SEND_F, RECV_F, SEND_B, RECV_B"

  private let cell: ArraySlice<UInt8>
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) {
    cell = Self.trimmed(bytes)
    rest = cell
  }

  /// The content of the cell.
  func parse() throws(ScheduleError) -> Content {
    if cell.isEmpty { return .idle }
    var copy = self
    return cell.first == UInt8(ascii: "(") ? .action(try copy.pair()) : try copy.single()
  }

  private mutating func single() throws(ScheduleError) -> Content {
    let stage = try number("stage")
    let kind = takeKind()
    if Self.sharding.contains(kind) {
      guard rest.isEmpty else { throw refused("`\(kind)` takes no micro-batch") }
      return .sharding("\(stage)\(kind)")
    }
    guard let make = Self.maker(of: kind) else { throw unknown(kind, stage: stage) }
    guard let first = rest.first, Self.isDigit(first) else {
      guard rest.isEmpty else {
        throw refused("`\(Self.printable(rest))` stands where the micro-batch should")
      }
      throw refused("the micro-batch is missing: `\(stage)\(kind)0` would be that of the first")
    }
    let microbatch = try number("micro-batch")
    guard rest.isEmpty else {
      throw refused(
        "`\(Self.printable(rest))` follows the action; "
          + "`\(stage)\(kind)\(microbatch)` is all of it")
    }
    return .action(make(Cell(stage: stage, microbatch: microbatch)))
  }

  private mutating func pair() throws(ScheduleError) -> Action {
    let form = "a pair looks like `(0F8;7B4)OVERLAP_F_B`"
    guard let close = rest.firstIndex(of: UInt8(ascii: ")")) else {
      throw refused("the bracket is not closed; \(form)")
    }
    let name = rest[(close + 1)...]
    guard name.elementsEqual("OVERLAP_F_B".utf8) else {
      throw refused("`\(Self.printable(name))` follows the bracket; \(form)")
    }
    let parts = rest[(rest.startIndex + 1)..<close].split(
      separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw refused("\(parts.count) actions in the bracket instead of two; \(form)")
    }
    let halves = (try Self.half(parts[0]), try Self.half(parts[1]))
    guard case (.action(.forward(let forward)), .action(.backward(let backward))) = halves else {
      throw refused("the bracket holds a forward F, then a full backward B; \(form)")
    }
    return .overlapped(forward: forward, backward: backward)
  }

  private static func half(_ bytes: ArraySlice<UInt8>) throws(ScheduleError) -> Content {
    var parser = ActionParser(bytes)
    return parser.cell.isEmpty ? .idle : try parser.single()
  }

  private mutating func number(_ what: String) throws(ScheduleError) -> Int {
    var value = 0
    var digits = 0
    while let byte = rest.first, Self.isDigit(byte) {
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
      guard value <= Self.largestNumber else {
        throw ScheduleError(
          .size,
          "`\(Self.printable(cell))`: the \(what) is above "
            + "\(Self.largestNumber), the largest read")
      }
      digits += 1
      rest = rest.dropFirst()
    }
    guard digits > 0 else {
      throw refused("it does not begin with a \(what); an action looks like `2F0`")
    }
    return value
  }

  /// The longest run of letters and `_`.
  private mutating func takeKind() -> String {
    let kind = rest.prefix { Self.isKindByte($0) }
    rest = rest.dropFirst(kind.count)
    return String(decoding: kind, as: UTF8.self)
  }

  private static func maker(of kind: String) -> ((Cell) -> Action)? {
    switch kind {
    case "F": { .forward($0) }
    case "B": { .backward($0) }
    case "I": { .backwardInput($0) }
    case "W": { .backwardWeight($0) }
    case "SEND_F": { .sendForward($0) }
    case "RECV_F": { .receiveForward($0) }
    case "SEND_B": { .sendBackward($0) }
    case "RECV_B": { .receiveBackward($0) }
    default: nil
    }
  }

  private func unknown(_ kind: String, stage: Int) -> ScheduleError {
    let number = rest.isEmpty ? "0" : Self.printable(rest)
    if kind.isEmpty {
      return refused("no kind after the stage; kinds are \(Self.kinds)")
    }
    if kind == "BW" {
      return refused(
        "`BW` was PyTorch's full backward until 2024, with `B` for the input half: "
          + "write `\(stage)B\(number)`, and `I` for the old `B`")
    }
    if Self.maker(of: kind.uppercased()) != nil {
      return refused("kinds are upper case: `\(stage)\(kind.uppercased())\(number)`")
    }
    if kind == "OVERLAP_F_B" {
      return refused("a pair looks like `(0F8;7B4)OVERLAP_F_B`")
    }
    return refused("there is no kind `\(Self.printable(kind.utf8))`; kinds are \(Self.kinds)")
  }

  private func refused(_ reason: String) -> ScheduleError {
    ScheduleError(.text, "`\(Self.printable(cell))`: \(reason)")
  }

  // MARK: bytes

  private static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  private static func isKindByte(_ byte: UInt8) -> Bool {
    let folded = byte | 0x20
    return byte == UInt8(ascii: "_")
      || (folded >= UInt8(ascii: "a") && folded <= UInt8(ascii: "z"))
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    var trimmed = bytes.drop(while: isBlank)
    while let last = trimmed.last, isBlank(last) { trimmed = trimmed.dropLast() }
    return trimmed
  }

  /// At most 40 bytes for a message, what is not printable ASCII as `\xNN`.
  static func printable(_ bytes: some Collection<UInt8>) -> String {
    var text = ""
    for byte in bytes.prefix(40) {
      if byte >= 0x20 && byte < 0x7F {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += byte < 16 ? "\\x0" : "\\x"
        text += String(byte, radix: 16, uppercase: true)
      }
    }
    return bytes.count > 40 ? text + "…" : text
  }
}
