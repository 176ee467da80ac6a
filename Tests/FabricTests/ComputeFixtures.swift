// The measured tables that the cost model is held against.

import FoundationEssentials

/// The path of a file of Tests/Fixtures/calibration.
func calibrationPath(_ name: String) -> String {
  let path = Array(#filePath.split(separator: "/").dropLast(2))
  return "/" + (path + ["Fixtures", "calibration", Substring(name)]).joined(separator: "/")
}

/// Rows of a CSV fixture by column title. Quotes stand around whole fields only.
func calibrationTable(_ name: String) throws -> [[String: String]] {
  let data = try Data(contentsOf: URL(filePath: calibrationPath(name)))
  let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
  let rows = lines.map { line in
    var fields = [""]
    var quoted = false
    for character in line {
      switch character {
      case "\"": quoted.toggle()
      case "," where !quoted: fields.append("")
      default: fields[fields.count - 1].append(character)
      }
    }
    return fields
  }
  return rows.dropFirst().map { row in
    Dictionary(uniqueKeysWithValues: zip(rows[0], row + [String](repeating: "", count: 40)))
  }
}
