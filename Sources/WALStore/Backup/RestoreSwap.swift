/// Puts a restored spool where the tenant's spool is, as one step: a crash leaves the old one, or the new one.
///
/// The new file is made ready beside the old one. Then a note is written, durably: from that moment the new one counts.
/// Whoever comes next, the daemon that opens the spool or the next restore, ends what the note says, or, without a note,
/// removes what was made ready.
///
/// ```
/// spool.db.restored                     the new spool, while it is made ready
/// restore                               the note: "holdfast restore 1", and the name that the old one gets
/// spool.db.replaced-20260131T235959Z    the old one, whole, with -wal and -shm as they were
/// ```
struct RestoreSwap: Sendable {
    static let infix = ".replaced-"
    private static let header = "holdfast restore 1"

    /// The tenant's.
    let folder: String
    /// The mark of the old spool's last commit, which says nothing about the new one (`CommitMark`).
    let commits: String
    let files: Files

    var staged: String { folder + "/spool.db.restored" }
    private var spool: String { folder + "/spool.db" }
    private var note: String { folder + "/restore" }
    private var setAside: SetAside { SetAside(folder: folder, files: files) }

    init(_ tenant: String, in data: DataFolder) {
        folder = data.folder(of: tenant)
        commits = data.commits(of: tenant)
        files = data.files
    }

    /// Leaves nothing of an earlier restore: ends it, or removes what it left.
    func clear() throws(SpoolError) {
        try finish()
        // Before there is a staged file again, which it would speak for.
        if try files.exists(note) { try files.remove(note) }
    }

    /// Makes the staged file count. It has to be durable, with its name, and closed.
    ///
    /// - Returns: the name the old spool gets; nil when there is none.
    func decide(wall: Int64) throws(SpoolError) -> String? {
        let name = try setAside.freeName("spool.db\(RestoreSwap.infix)", wall)
        var isThere = false
        for part in SetAside.parts where try files.exists(spool + part) { isThere = true }
        try files.replace(note, with: Array("\(RestoreSwap.header)\n\(name)\n".utf8))
        return isThere ? name : nil
    }

    /// Ends what was decided, or removes what was not. One look when there is nothing to do.
    func finish() throws(SpoolError) {
        guard try files.exists(staged) else { return }
        guard let name = try decided() else { return try discard() }
        for part in SetAside.parts where try files.exists(spool + part) {
            try files.rename(spool + part, to: "\(folder)/\(name)\(part)")
        }
        // What was to be carried over into the old spool is no business of the new one.
        try SalvageNote.remove(folder, files)
        if try files.exists(commits) { try files.remove(commits) }
        try files.rename(staged, to: spool)
        try files.remove(note)
    }

    private func decided() throws(SpoolError) -> String? {
        guard let bytes = try files.read(note, limit: 256) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard lines.count == 2, lines[0] == RestoreSwap.header, lines[1].hasPrefix("spool.db\(RestoreSwap.infix)"),
            !lines[1].contains("/")
        else { throw SpoolError(.unavailable, "\(note) does not name what a restore replaces: remove it") }
        return String(lines[1])
    }

    /// The staged file last: while it is there, somebody comes to remove the rest.
    func discard() throws(SpoolError) {
        for part in ["-wal", "-shm", "-journal", ""] where try files.exists(staged + part) {
            try files.remove(staged + part)
        }
    }
}
