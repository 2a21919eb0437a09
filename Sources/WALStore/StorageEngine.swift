import CSQLite

/// The database engine in this process.
public enum StorageEngine {
    /// `3.40.1`
    public static var version: String { String(cString: sqlite3_libversion()) }
    /// `3040001`
    public static var number: Int { Int(sqlite3_libversion_number()) }

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
