// `dsv3 numerics cast`: FP32 numbers of a file as codes of a narrower format, a block at a time,
// so that the size of the file does not matter.

import Glibc
import JSON
import NumberFormats
import RunConfiguration

let numericsCastCommand = Command(
  "dsv3 numerics cast",
  usage: "--to FORMAT [--saturate] --input FILE.f32 --output FILE",
  summary: "FP32 numbers as bf16, e4m3, e5m2 or e5m6",
  help: """
    Reads FP32 numbers, little-endian without header, and writes their codes, rounded to nearest
    even: one byte a number for e4m3 and e5m2, two, little-endian, for bf16 and e5m6 (its twelve
    bits are the low ones). NaN stays NaN and keeps its sign. A number that is too large becomes
    infinity, in e4m3 NaN; with --saturate the largest number of its sign. Ends with a line on
    standard error that counts what happened. The relative error is that of numbers neither too
    large nor below the format's smallest normal number.
    """,
  options: [
    CommandOption("to", value: "FORMAT", help: "bf16, e4m3, e5m2 or e5m6"),
    CommandOption("saturate", help: "what is too large, infinities too, becomes the largest"),
    CommandOption("input", value: "FILE", help: "the numbers"),
    CommandOption("output", value: "FILE", help: "where the codes go; replaced if it exists"),
    CommandOption("json", help: "the figures as JSON on standard output"),
  ],
  run: cast)

private func cast(_ options: ParsedOptions) throws {
  _ = try options.operands()
  let format = try numberFormat(of: options)
  let input = try options.required("input")
  let output = try options.required("output")
  let overflow: Overflow = options.has("saturate") ? .saturate : .escape
  let statistics = try castFile(input, to: format, overflow, output: output)
  if options.has("json") {
    let value = statistics.json(input: input, output: output)
    print(String(decoding: value.text(), as: UTF8.self), terminator: "")
  } else {
    complain(statistics.summary)
  }
}

/// The format that `--to` names.
private func numberFormat(of options: ParsedOptions) throws -> NumberFormat {
  let name = try options.required("to")
  if let format = NumberFormat(rawValue: name) { return format }
  let names = NumberFormat.allCases.map(\.rawValue)
  let hint =
    nearestName(to: name, among: names).map { "; did you mean '\($0)'?" }
    ?? "; there are " + names.joined(separator: ", ")
  throw options.usageError("option '--to' does not know '\(printable(name))'\(hint)")
}
