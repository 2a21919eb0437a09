import CSQLite
import Metrics

extension AuditFilter {
    /// Reads what `AuditPlanner` wrote, with the values that it now has.
    ///
    /// - Throws: a mistake, for a selector that is none, or a time that is a text.
    init(
        _ terms: UnsafePointer<CChar>?, _ values: UnsafeMutablePointer<OpaquePointer?>?, count: Int32
    ) throws(AuditError) {
        guard let terms, let values else { return }
        for index in 0..<Int(count) {
            guard let term = AuditTerm(rawValue: UInt8(bitPattern: terms[2 * index])),
                let comparison = AuditOperator(rawValue: UInt8(bitPattern: terms[2 * index + 1])),
                let value = values[index]
            else { continue }
            switch term {
            case .name: narrow(names: AuditFilter.text(value).map { [$0] } ?? [])
            case .names: narrow(names: AuditFilter.list(value))
            case .selector: try add(selector: value)
            case .sequence: sequences.narrow(try AuditFilter.bounds(value, comparison, "sequence"))
            case .position: positions.narrow(try AuditFilter.bounds(value, comparison, "position"))
            case .time: times.narrow(try AuditFilter.bounds(value, comparison, "time"))
            case .firstTime: firstTimes.narrow(try AuditFilter.bounds(value, comparison, "first_time").below)
            case .lastTime: lastTimes.narrow(try AuditFilter.bounds(value, comparison, "last_time").above)
            }
        }
    }

    private mutating func narrow(names other: Set<[UInt8]>) { names = names?.intersection(other) ?? other }

    private mutating func add(selector value: OpaquePointer) throws(AuditError) {
        guard sqlite3_value_type(value) != SQLITE_NULL, let bytes = AuditFilter.text(value) else {
            isImpossible = true
            return
        }
        let text = String(decoding: bytes, as: UTF8.self)
        do throws(SelectorError) { selectors.append(try SeriesSelector.parse(text)) } catch {
            throw AuditError(.mistake, "match: \(error)")
        }
    }

    /// nil for NULL, which nothing is equal to.
    private static func text(_ value: OpaquePointer) -> [UInt8]? {
        guard sqlite3_value_type(value) != SQLITE_NULL, let text = sqlite3_value_text(value) else { return nil }
        return Array(UnsafeBufferPointer(start: text, count: Int(sqlite3_value_bytes(value))))
    }

    /// <https://sqlite.org/c3ref/vtab_in_first.html>
    private static func list(_ values: OpaquePointer) -> Set<[UInt8]> {
        var found: Set<[UInt8]> = []
        var value: OpaquePointer?
        var code = sqlite3_vtab_in_first(values, &value)
        while code == SQLITE_OK, let next = value {
            if let text = text(next) { found.insert(text) }
            code = sqlite3_vtab_in_next(values, &value)
        }
        return found
    }

    /// Integers that can stand on the left of a comparison with `value`.
    private static func bounds(
        _ value: OpaquePointer, _ comparison: AuditOperator, _ column: String
    ) throws(AuditError) -> Bounds {
        switch sqlite3_value_numeric_type(value) {
        case SQLITE_INTEGER:
            let number = sqlite3_value_int64(value)
            return bounds(floor: number, ceiling: number, comparison)
        case SQLITE_FLOAT:
            let number = sqlite3_value_double(value)
            guard let floor = Int64(exactly: number.rounded(.down)), let ceiling = Int64(exactly: number.rounded(.up))
            else {
                let isAbove = number > 0
                return comparison == .equal || isAbove == comparison.isLower ? nothing : Bounds()
            }
            return bounds(floor: floor, ceiling: ceiling, comparison)
        case SQLITE_TEXT:
            let isTime = column.hasSuffix("time")
            throw AuditError(
                .mistake,
                "\(column) is a number\(isTime ? " of nanoseconds: ts('2026-01-31T12:00:00Z') makes one of a time" : "")"
            )
        // SQLite orders a blob behind all numbers.
        case SQLITE_BLOB: return Bounds()
        default: return nothing
        }
    }

    private static let nothing = Bounds(lower: .max, upper: .min)

    /// - Parameters:
    ///   - floor: of what is compared with; the same as `ceiling` for an integer.
    private static func bounds(floor: Int64, ceiling: Int64, _ comparison: AuditOperator) -> Bounds {
        switch comparison {
        case .equal: Bounds(lower: ceiling, upper: floor)
        case .greater: floor == .max ? nothing : Bounds(lower: floor + 1)
        case .atLeast: Bounds(lower: ceiling)
        case .less: ceiling == .min ? nothing : Bounds(upper: ceiling - 1)
        case .atMost: Bounds(upper: floor)
        }
    }
}

extension AuditOperator {
    /// Whether it asks for what is not below something.
    fileprivate var isLower: Bool { self == .greater || self == .atLeast }
}

extension AuditFilter.Bounds {
    /// What a column's bounds say of a row's earliest time, which is no later: only the upper one.
    fileprivate var below: AuditFilter.Bounds { AuditFilter.Bounds(upper: isEmpty ? .min : upper) }
    /// What they say of a row's latest time, which is no earlier.
    fileprivate var above: AuditFilter.Bounds { AuditFilter.Bounds(lower: isEmpty ? .max : lower) }
}
