// What standard output is: a terminal or not, how wide, and whether colours are welcome there.

import CSystem
import Glibc

enum Terminal {
  /// Colours: on a terminal that has them, unless NO_COLOR is set to anything but nothing
  /// (no-color.org).
  static var wantsColour: Bool {
    isatty(STDOUT_FILENO) == 1 && (variable("NO_COLOR") ?? "").isEmpty
      && variable("TERM") != "dumb"
  }

  /// Columns: the terminal's, else those of COLUMNS, else 100.
  static var width: Int {
    let columns = Int(dsv3_terminal_columns(STDOUT_FILENO))
    if columns > 0 { return columns }
    if let named = variable("COLUMNS").flatMap({ Int($0) }), named > 0 { return named }
    return 100
  }

  private static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}
