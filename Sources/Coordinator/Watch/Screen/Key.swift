// Keys as a terminal sends them: letters as they are, others as escape sequences of several bytes.

package enum Key: Equatable, Sendable {
  case character(Character)
  case up, down, left, right, pageUp, pageDown, home, end, tab, backTab
  /// ctrl-L.
  case redraw

  /// The keys in what was read at once; what is none is left out, a lone escape too.
  package static func decode(_ bytes: [UInt8]) -> [Key] {
    var keys: [Key] = []
    var rest = bytes[...]
    while let byte = rest.popFirst() {
      switch byte {
      case 0x1B: keys += [sequence(&rest)].compactMap { $0 }
      case 0x09: keys.append(.tab)
      case 0x0C: keys.append(.redraw)
      case 0x20...0x7E: keys.append(.character(Character(Unicode.Scalar(byte))))
      default: break
      }
    }
    return keys
  }

  /// What follows an escape: `[` or `O`, numbers, and a letter or `~`.
  private static func sequence(_ rest: inout ArraySlice<UInt8>) -> Key? {
    guard let opening = rest.first, opening == UInt8(ascii: "[") || opening == UInt8(ascii: "O")
    else { return nil }
    rest.removeFirst()
    var number = ""
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ";"):
        number.unicodeScalars.append(Unicode.Scalar(byte))
      case UInt8(ascii: "~"): return numbered[number]
      default: return lettered[Character(Unicode.Scalar(byte))]
      }
    }
    return nil
  }

  private static let lettered: [Character: Key] = [
    "A": .up, "B": .down, "C": .right, "D": .left, "H": .home, "F": .end, "Z": .backTab,
  ]
  private static let numbered: [String: Key] = [
    "1": .home, "7": .home, "4": .end, "8": .end, "5": .pageUp, "6": .pageDown,
  ]
}

extension MonitorFrame.Choice {
  /// What a key does to what is shown; whether it asks to leave.
  /// - Parameter rows: of the screen, for a page up or down.
  package mutating func take(_ key: Key, rows: Int) -> Bool {
    // Of events the newest are shown, and scrolling up goes back.
    let up = page == .events ? 1 : -1
    switch key {
    case .character("q"), .character("Q"): return true
    case .character(" "): isPaused.toggle()
    case .tab, .right: open(page.next)
    case .backTab, .left: open(page.previous)
    case .up, .character("k"): scroll += up
    case .down, .character("j"): scroll -= up
    case .pageUp: scroll += up * max(1, rows - 4)
    case .pageDown: scroll -= up * max(1, rows - 4)
    case .home: scroll = page == .events ? .max / 2 : 0
    case .end: scroll = page == .events ? 0 : .max / 2
    case .character(let letter): if let page = Self.page(letter) { open(page) }
    case .redraw: break
    }
    scroll = max(0, scroll)
    return false
  }

  private mutating func open(_ page: MonitorFrame.Page) {
    if page != self.page { scroll = 0 }
    self.page = page
  }

  private static func page(_ letter: Character) -> MonitorFrame.Page? {
    switch letter {
    case "1", "o": .overview
    case "2", "e": .experts
    case "3", "r": .ranks
    case "4", "v": .events
    case "5", "?", "h": .help
    default: nil
    }
  }
}
