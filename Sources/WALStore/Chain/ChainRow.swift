import CSQLite

/// The row of `spool` as the chain sees it: all its columns but the state, which is over them.
enum ChainRow {
    static let columns = [
        "id", "tenant", "tenant_uuid", "created_wall", "next_sequence", "next_position", "accepted_requests",
        "refused_points", "dropped_points", "ledger_version", "clock_at", "clock_boot", "clock_boot_id", "clock_wall",
        "closed_cleanly",
    ]
    static let version = 9
    static let wall = 13
    static let query = "SELECT \(columns.joined(separator: ", ")), chain_state FROM spool"

    /// What the column becomes with changes to others.
    ///
    /// - Parameter changes: columns with what they become.
    static func state(after changes: [(column: String, value: String)]) -> String {
        let given = Dictionary(uniqueKeysWithValues: changes.map { ($0.column, "(\($0.value))") })
        return "\(ChainKeeper.stateFunction)(\(columns.map { given[$0] ?? $0 }.joined(separator: ", ")))"
    }

    static func update(_ changes: [(column: String, value: String)], isChained: Bool) -> String {
        var changes = changes
        if isChained { changes.append((column: "chain_state", value: state(after: changes))) }
        return "UPDATE spool SET \(changes.map { "\($0.column) = \($0.value)" }.joined(separator: ", "))"
    }

    /// Adds the columns of a row that `query` is at.
    static func add(_ row: Statement, to input: inout ChainMACInput) {
        for index in columns.indices { input.add(value: row.value(Int32(index))) }
    }
}
