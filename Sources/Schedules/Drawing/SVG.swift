// The little of SVG that pictures of schedules and timelines need, as text: numbers, escapes,
// rectangles, labels, and a page with its own background, so that it looks the same on a dark
// desktop.

/// Builder of SVG elements.
package enum SVG {
  /// Width of a character of Helvetica or DejaVu Sans, in font sizes: an upper estimate for digits.
  package static let digitWidth = 0.62
  /// The same for prose, which has narrower letters.
  package static let letterWidth = 0.56

  /// `value` with at most two decimals, without needless zeros.
  package static func number(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let magnitude = hundredths.magnitude
    let sign = hundredths < 0 ? "-" : ""
    let (whole, rest) = (magnitude / 100, magnitude % 100)
    if rest == 0 { return "\(sign)\(whole)" }
    return rest.isMultiple(of: 10)
      ? "\(sign)\(whole).\(rest / 10)" : "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }

  /// `text` as character data or attribute value; what XML cannot hold becomes U+FFFD.
  package static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n", "\r": result += " "
      case _ where scalar.value < 0x20 || (0xFFFE...0xFFFF).contains(scalar.value):
        result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// At most `count` characters, the last an ellipsis if there were more.
  package static func shortened(_ text: String, to count: Int) -> String {
    text.count <= count ? text : text.prefix(count - 1) + "…"
  }

  /// How wide prose of `size` pixels is, about.
  package static func width(of text: String, size: Double) -> Double {
    Double(text.count) * letterWidth * size
  }

  /// A rectangle of a style class, empty or around `content`.
  package static func rectangle(
    _ style: String, x: Double, y: Double, width: Double, height: Double, _ content: String = ""
  ) -> String {
    var text = "<rect class=\"\(style)\""
    if number(x) != "0" { text += " x=\"\(number(x))\"" }
    if number(y) != "0" { text += " y=\"\(number(y))\"" }
    text += " width=\"\(number(width))\" height=\"\(number(height))\""
    return text + (content.isEmpty ? "/>" : ">\(content)</rect>")
  }

  /// A label; `style` says where its anchor is.
  package static func text(_ style: String, x: Double, y: Double, _ content: String) -> String {
    let name = style.isEmpty ? "" : " class=\"\(style)\""
    return "<text\(name) x=\"\(number(x))\" y=\"\(number(y))\">\(escaped(content))</text>"
  }

  /// What tells of an element without being drawn.
  package static func title(_ text: String) -> String { "<title>\(escaped(text))</title>" }

  /// A whole file.
  package static func document(
    width: Double, height: Double, title: String, description: String, styles: String,
    body: String
  ) -> String {
    let size = (number(width.rounded(.up)), number(height.rounded(.up)))
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(size.0)" height="\(size.1)" \
      viewBox="0 0 \(size.0) \(size.1)" role="img">
      \(Self.title(title))
      <desc>\(escaped(description))</desc>
      \(styles)
      <rect class="page" width="\(size.0)" height="\(size.1)"/>
      \(body)
      </svg>

      """
  }
}
