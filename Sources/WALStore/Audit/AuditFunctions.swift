import CSQLite
import Metrics

/// Functions of SQL that go with the tables.
///
/// | function | gives |
/// | --- | --- |
/// | `utc(time)` | the text of a time in nanoseconds |
/// | `ts(text)` | the nanoseconds of `2026-01-31T12:00:00Z`, `2026-01-31 12:00` (UTC) or `2026-01-31` |
/// | `ago(text)` | the time so long ago: `10m`, `24h`, `7d` |
/// | `letter(block, part)` | a part of the point in a dead letter's block |
enum AuditFunctions {
    static func register(on connection: Connection) throws(SQLiteError) {
        try add("utc", 1, connection) { context, values in
            guard let value = values.first, sqlite3_value_type(value) != SQLITE_NULL else { return }
            AuditResult(context: context).time(sqlite3_value_int64(value))
        }
        try add("ts", 1, connection) { context, values in
            answer(context, values, "a time such as 2026-01-31T12:00:00Z or 2026-01-31") { AuditTime.parse($0) }
        }
        try add("ago", 1, connection) { context, values in
            answer(context, values, "a duration such as 90s, 10m, 24h or 7d") {
                AuditTime.ago($0, now: TimeSource.system.wall())
            }
        }
        try add("letter", 2, connection) { context, values in
            guard values.count == 2 else { return }
            AuditLetter.answer(AuditResult(context: context), block: values[0], part: values[1])
        }
    }

    private typealias Body = @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void
    private final class Function {
        let body: (OpaquePointer, [OpaquePointer]) -> Void
        init(_ body: @escaping (OpaquePointer, [OpaquePointer]) -> Void) { self.body = body }
    }

    /// One value for the whole of a question, as SQLite's own `now` has it: so all of them are deterministic.
    private static func add(
        _ name: String, _ count: Int32, _ connection: Connection,
        _ body: @escaping (OpaquePointer, [OpaquePointer]) -> Void
    ) throws(SQLiteError) {
        let function = Unmanaged.passRetained(Function(body)).toOpaque()
        let call: Body = { context, count, values in
            guard let context, let user = sqlite3_user_data(context), let values else { return }
            let function = Unmanaged<Function>.fromOpaque(user).takeUnretainedValue()
            function.body(context, (0..<Int(count)).compactMap { values[$0] })
        }
        let code = sqlite3_create_function_v2(
            connection.raw, name, count, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, function, call, nil, nil
        ) { user in
            if let user { Unmanaged<Function>.fromOpaque(user).release() }
        }
        guard code == SQLITE_OK else { throw connection.lastError("make the function \(name)") }
    }

    private static func answer(
        _ context: OpaquePointer, _ values: [OpaquePointer], _ wanted: String, _ read: (String) -> Int64?
    ) {
        guard let value = values.first, sqlite3_value_type(value) != SQLITE_NULL,
            let bytes = sqlite3_value_text(value)
        else { return }
        let text = String(
            decoding: UnsafeBufferPointer(start: bytes, count: min(64, Int(sqlite3_value_bytes(value)))),
            as: UTF8.self)
        guard let found = read(text) else {
            let message = "\"\(text)\" is not \(wanted)"
            return sqlite3_result_error(context, message, -1)
        }
        sqlite3_result_int64(context, found)
    }
}

/// Times as a question writes them.
enum AuditTime {
    private static let forms = ["", "Z", ":00Z", "T00:00:00Z"]

    /// Nanoseconds since the epoch; without a zone it is UTC.
    static func parse(_ text: String) -> Int64? {
        for form in forms { if let time = RFC3339.parse(text + form) { return time } }
        return nil
    }

    /// - Returns: nil for what is no duration, the earliest time there is for one that is longer than that.
    static func ago(_ text: String, now: Int64) -> Int64? {
        let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard let count = Int64(String(decoding: digits, as: UTF8.self)), count >= 0 else { return nil }
        let unit: Int64
        switch String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self) {
        case "ms": unit = 1_000_000
        case "s": unit = 1_000_000_000
        case "m": unit = 60_000_000_000
        case "h": unit = 3_600_000_000_000
        case "d": unit = 86_400_000_000_000
        default: return nil
        }
        let (length, isOver) = count.multipliedReportingOverflow(by: unit)
        let (time, isBefore) = now.subtractingReportingOverflow(length)
        return isOver || isBefore ? .min : time
    }
}

/// The point in a dead letter.
enum AuditLetter {
    /// NULL where the block cannot be read.
    static func answer(_ result: AuditResult, block: OpaquePointer, part: OpaquePointer) {
        guard let bytes = sqlite3_value_blob(block), let word = sqlite3_value_text(part) else { return }
        let buffer = UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_value_bytes(block)))
        let decoded = Result { () throws(SpoolError) in try Block.decode(buffer) }
        guard case .success(let block) = decoded, block.batch.points.count == 1 else { return }
        let batch = block.batch
        let id = batch.points.series[0]
        switch String(cString: word) {
        case "time": result.integer(batch.points.times[0])
        case "name":
            batch.series.withLabels(of: id) { labels in
                for label in LabelIterator(labels) where label.name.elementsEqual(Batch.nameLabel) {
                    result.text(label.value)
                }
            }
        case "field": result.text(ifAny: batch.field(of: id))
        case "labels":
            var labels: [UInt8] = []
            batch.series.withLabels(of: id) { JSONRecordEncoder.appendLabels($0, into: &labels) }
            result.text(labels)
        case "value": result.value(0, of: batch)
        case "kind": result.kind(batch.points.kind(at: 0))
        default: break
        }
    }
}
