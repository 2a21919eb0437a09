/// A virtual table: its columns, and which of them rows are found by.
struct AuditTable: Sendable {
    var name: String
    /// As SQLite is told of it.
    var declaration: String
    /// Of columns by number; -1 is the rowid.
    var terms: [Int32: AuditTerm]
    /// Orders that it comes in by itself, each a list of columns.
    var orders: [[Int32]]
    var nameColumn: Int32?
    /// Columns that a count by name may ask for.
    var byNameColumns: UInt64 = 0
    var makeCursor: @Sendable (AuditSource) -> AuditCursor

    func term(of column: Int32) -> AuditTerm? { terms[column] }
    func isOrdered(by columns: [Int32]) -> Bool { orders.contains(columns) }
    func onlyNames(_ used: UInt64) -> Bool { nameColumn != nil && used & ~byNameColumns == 0 }
}

/// A walk through a table. A failed call ends it.
///
/// A class, not a protocol, and without checks of who else is in it (only SQLite's thread is): these are called for each
/// point, and half of the time of a scan went into counting references.
class AuditCursor {
    @exclusivity(unchecked) final var isAtEnd = true

    /// Begins, anew if it was under way, and stands on the first row.
    func begin(_ plan: AuditPlan, _ filter: AuditFilter) throws(AuditError) {}
    func next() throws(AuditError) {}
    /// Hands a column of the row to SQLite.
    func column(_ column: Int32, _ result: AuditResult) throws(AuditError) {}
    func rowID() throws(AuditError) -> Int64 { 0 }
}
