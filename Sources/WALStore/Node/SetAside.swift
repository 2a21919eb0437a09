#if canImport(Glibc)
    import Glibc
#endif

/// Puts a spool that cannot be used out of the way, whole: `spool.db`, `-wal` and `-shm` get a new name in the same
/// folder, so that they can still be opened there, and salvaged. Nothing of it is deleted or written.
///
/// A note in the folder makes the three renames one: a crash between them would leave a database without its WAL, or a
/// WAL that a fresh database would take for its own. Whoever opens the spool next ends what the note says.
struct SetAside: Sendable {
    private static let parts = ["-wal", "-shm", ""]

    let folder: String
    let files: Files
    private var spool: String { folder + "/spool.db" }
    private var note: String { folder + "/set-aside" }

    /// Renames the files. No handle of this process may be open on them.
    ///
    /// - Parameter wall: nanoseconds since the epoch, for the name.
    /// - Returns: the name the database has now; nil when there was none.
    func perform(wall: Int64) throws(SpoolError) -> String? {
        guard try files.exists(spool) else { return nil }
        let name = try freeName(wall)
        try files.replace(note, with: Array(name.utf8))
        return try finish()
    }

    /// Ends a rename that a crash interrupted.
    ///
    /// - Returns: the name the database has now; nil when nothing had been begun.
    func finish() throws(SpoolError) -> String? {
        guard let bytes = try files.read(note, limit: 256) else { return nil }
        let name = String(decoding: bytes, as: UTF8.self)
        guard name.hasPrefix("spool.db.set-aside-"), !name.contains("/") else {
            throw SpoolError(.unavailable, "\(note) does not name a file that was set aside: remove it")
        }
        for part in SetAside.parts where try files.exists(spool + part) {
            try files.rename(spool + part, to: "\(folder)/\(name)\(part)")
        }
        try files.remove(note)
        return name
    }

    private func freeName(_ wall: Int64) throws(SpoolError) -> String {
        let name = "spool.db.set-aside-\(SetAside.utc(wall))"
        var candidate = name
        var number = 2
        while try files.exists("\(folder)/\(candidate)") {
            candidate = "\(name).\(number)"
            number += 1
        }
        return candidate
    }

    /// `20260131T235959Z`.
    static func utc(_ wall: Int64) -> String {
        var seconds = time_t(wall / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y%m%dT%H%M%SZ", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension Spool {
    /// The first row of a fresh spool that stands in for one that is gone: how much that was is not known.
    ///
    /// - Parameter end: the first sequence that was never given.
    func recordSetAside(before end: Int64, _ detail: String) throws(SpoolError) {
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in
                try database.statements.insertLoss.run(
                    .null, .text(LossReason.spoolSetAside.rawValue), .integer(1), .integer(0), .integer(end),
                    .integer(0), .null, .null, .null, .integer(clock.at), .integer(clock.wall), .text(detail))
            }
        }
    }
}
