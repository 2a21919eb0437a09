import Metrics

@testable import WALStore

/// A value of an answer that outlives it.
enum Cell: Hashable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, CustomStringConvertible {
    case null, integer(Int64), float(Double), text(String), blob([UInt8])

    init(integerLiteral value: Int64) { self = .integer(value) }
    init(stringLiteral value: String) { self = .text(value) }

    init(_ value: AuditAnswerRow.Value) {
        switch value {
        case .null: self = .null
        case .integer(let number): self = .integer(number)
        case .float(let number): self = .float(number)
        case .text(let bytes): self = .text(String(decoding: bytes, as: UTF8.self))
        case .blob(let bytes): self = .blob(Array(bytes))
        }
    }

    var description: String {
        switch self {
        case .null: "NULL"
        case .integer(let number): "\(number)"
        case .float(let number): "\(number)"
        case .text(let text): text
        case .blob(let bytes): "\(bytes)"
        }
    }
}

/// An answer that is kept.
struct Collected: AuditAnswer {
    var columns: [String] = []
    var rows: [[Cell]] = []

    mutating func begin(columns: [String]) { self.columns = columns }
    mutating func add(_ row: AuditAnswerRow, nanosecondsLeft: () -> Int64) {
        rows.append((0..<row.count).map { Cell(row[$0]) })
    }
    mutating func end() {}
}

extension AuditDatabase {
    /// Of a spool that is open, as a node's is.
    convenience init(live path: String, skipsDamage: Bool = false) throws(AuditError) {
        try self.init(AuditFile(path: path, isImmutable: false), skipsDamage: skipsDamage)
    }

    func rows(_ sql: String, _ limits: AuditLimits = AuditLimits()) throws(AuditError) -> [[Cell]] {
        var answer = Collected()
        try ask(sql, limits, into: &answer)
        return answer.rows
    }

    /// How SQLite goes about it, in its own words.
    func plan(_ sql: String) throws(AuditError) -> String {
        try rows("EXPLAIN QUERY PLAN \(sql)").map { "\($0[3])" }.joined(separator: "; ")
    }

    /// What an answer cost.
    func cost(_ sql: String) throws(AuditError) -> AuditCost {
        let before = cost
        _ = try rows(sql)
        return AuditCost(
            blocks: cost.blocks - before.blocks, pointBlocks: cost.pointBlocks - before.pointBlocks,
            matchedSeries: cost.matchedSeries - before.matchedSeries)
    }
}
