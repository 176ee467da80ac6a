// The little of SQLite that the history of runs needs: statements that are prepared from literals,
// values bound to them, rows read from them. Every call of the library is here.

internal import CSQLite

/// What SQLite said, with the file.
struct SQLiteError: Error, Equatable, CustomStringConvertible {
  let path: String
  let message: String
  var description: String { "\(path): \(message)" }
}

/// A value of a column.
enum SQLiteValue: Equatable, Sendable {
  case null
  case integer(Int)
  case real(Double)
  case text(String)

  init(_ value: Int?) { self = value.map { .integer($0) } ?? .null }
  init(_ value: String?) { self = value.map { .text($0) } ?? .null }
  /// SQLite has no NaN.
  init(_ value: Double?) { self = value.flatMap { $0.isNaN ? nil : .real($0) } ?? .null }

  var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  var text: String? { if case .text(let value) = self { value } else { nil } }
  /// A real column may hold what looks like an integer.
  var real: Double? {
    switch self {
    case .real(let value): value
    case .integer(let value): Double(value)
    case .null, .text: nil
    }
  }
}

/// An open database file; closed with this value.
final class SQLiteDatabase {
  private let path: String
  private var handle: OpaquePointer?

  /// Milliseconds to wait for somebody else's transaction.
  private static let patience: Int32 = 2000

  /// Opens a file, and makes it where it isn't there.
  init(path: String) throws(SQLiteError) {
    self.path = path
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX
    guard sqlite3_open_v2(path, &handle, flags, nil) == SQLITE_OK else {
      let error = failure
      sqlite3_close_v2(handle)
      handle = nil
      throw error
    }
    sqlite3_extended_result_codes(handle, 1)
    sqlite3_busy_timeout(handle, Self.patience)
  }

  deinit { sqlite3_close_v2(handle) }

  private var failure: SQLiteError {
    SQLiteError(
      path: path, message: handle.map { String(cString: sqlite3_errmsg($0)) } ?? "no memory")
  }

  /// Performs a statement with its values; the rows that it gives.
  /// - Parameter statement: a literal; values stand as `?`.
  @discardableResult
  func perform(
    _ statement: StaticString, _ values: [SQLiteValue] = []
  ) throws(SQLiteError) -> [[SQLiteValue]] {
    var prepared: OpaquePointer?
    guard sqlite3_prepare_v2(handle, statement.description, -1, &prepared, nil) == SQLITE_OK else {
      throw failure
    }
    defer { sqlite3_finalize(prepared) }
    for (place, value) in values.enumerated() {
      guard bind(value, to: prepared, at: Int32(place + 1)) == SQLITE_OK else { throw failure }
    }
    var rows: [[SQLiteValue]] = []
    while true {
      switch sqlite3_step(prepared) {
      case SQLITE_ROW:
        rows.append((0..<sqlite3_column_count(prepared)).map { Self.column($0, of: prepared) })
      case SQLITE_DONE: return rows
      default: throw failure
      }
    }
  }

  /// All of `body`, or nothing of it.
  func transaction(_ body: () throws(SQLiteError) -> Void) throws(SQLiteError) {
    try perform("BEGIN IMMEDIATE")
    do {
      try body()
      try perform("COMMIT")
    } catch {
      _ = try? perform("ROLLBACK")
      throw error
    }
  }

  private func bind(_ value: SQLiteValue, to prepared: OpaquePointer?, at place: Int32) -> Int32 {
    switch value {
    case .null: sqlite3_bind_null(prepared, place)
    case .integer(let number): sqlite3_bind_int64(prepared, place, Int64(number))
    case .real(let number): sqlite3_bind_double(prepared, place, number)
    case .text(let text):
      // SQLITE_TRANSIENT, a macro: the library copies the text.
      sqlite3_bind_text(
        prepared, place, text, -1, unsafeBitCast(-1, to: sqlite3_destructor_type.self))
    }
  }

  private static func column(_ column: Int32, of prepared: OpaquePointer?) -> SQLiteValue {
    switch sqlite3_column_type(prepared, column) {
    case SQLITE_INTEGER: return .integer(Int(sqlite3_column_int64(prepared, column)))
    case SQLITE_FLOAT: return .real(sqlite3_column_double(prepared, column))
    case SQLITE_TEXT:
      return sqlite3_column_text(prepared, column).map { .text(String(cString: $0)) } ?? .null
    default: return .null
    }
  }
}
