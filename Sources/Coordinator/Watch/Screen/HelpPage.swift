// What the keys do and what the figures are.

enum HelpPage {
  private static let keys = [
    ("tab, →, ←", "the next page, the one before"), ("1 to 5", "a page: also o e r v ?"),
    ("↑ ↓ k j", "scroll a line; page up and down, home, end"),
    ("space", "stop reading, and go on"), ("ctrl-L", "draw anew"),
    ("q, ctrl-C", "leave; the run goes on"),
  ]

  private static let figures = [
    ("loss, mtp", "cross-entropy in nats a token, of the model and of its MTP modules"),
    ("grad, lr", "norm of the gradient before clipping; learning rate"),
    ("tokens/s, step", "of this machine, by the wall clock"),
    ("load", "the fullest expert over the mean of its layer, worst layer"),
    ("memory", "tensors of the fullest rank at its fullest moment"),
    ("virtual", "what the step would have taken on the simulated cluster"),
    ("MFU", "model FLOPs of the virtual step over the GPUs' dense BF16 peak"),
    ("bubble", "share of the virtual step in which the critical rank idles"),
    ("exposed", "its waits for exchanges and collectives, in virtual time"),
    ("left", "at the pace of the steps seen, with all that comes between them"),
  ]

  static func lines(columns: Int) -> [TextLine] {
    [TextLine("keys", .bold)] + list(keys, columns) + [TextLine(), TextLine("figures", .bold)]
      + list(figures, columns)
  }

  private static func list(_ rows: [(String, String)], _ columns: Int) -> [TextLine] {
    rows.flatMap { name, meaning in
      let indent = 18
      let text = TextLine.wrapped(meaning, columns: max(16, columns - indent))
      return text.enumerated().map { number, part in
        var line = TextLine("  ")
        if number == 0 { line.add(name, .accent) }
        line.pad(to: indent)
        line.add(part)
        return line
      }
    }
  }
}
