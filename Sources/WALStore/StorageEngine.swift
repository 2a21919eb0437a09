import CSQLite

/// The database engine in this process.
public enum StorageEngine {
    /// `3.40.1`
    public static var version: String { String(cString: sqlite3_libversion()) }
    /// `3040001`
    public static var number: Int { Int(sqlite3_libversion_number()) }

    /// Has SQLite not count what memory it takes in this process, and tells whether it agreed.
    ///
    /// The count has a lock that all connections share, and takes it whenever memory is asked for or given back: with many
    /// spools at work they wait for each other there. SQLite takes settings only before its first database is opened. Without
    /// the count `AuditDatabase.limitMemory` limits nothing.
    /// <https://sqlite.org/c3ref/c_config_covering_index_scan.html#sqliteconfigmemstatus>
    @discardableResult
    package static func leaveMemoryUncounted() -> Bool { isUncounted }
    private static let isUncounted = holdfast_sqlite_config_flag(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK

    /// Whether rows that change can be seen, as the chain of a spool needs.
    public static var canKeepChains: Bool { ChainKeeper.isPossible }

    /// Whether two connections that write or checkpoint at once can corrupt a WAL that is being reset: 3.7.0 to 3.51.2,
    /// without 3.44.6 and 3.50.7. One writer a database makes it impossible here; other programs that
    /// open a spool for writing do not know that.
    public static var hasWALResetBug: Bool { hasWALResetBug(number) }

    /// - Parameter number: as `sqlite3_libversion_number` has it.
    package static func hasWALResetBug(_ number: Int) -> Bool {
        let fixedBranches = [3_044_006...3_044_999, 3_050_007...3_050_999]
        return (3_007_000..<3_051_003).contains(number) && !fixedBranches.contains { $0.contains(number) }
    }
}
