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

    private static let staged = "spool.db.restored"
    private static let note = "restore"

    var staged: String { "\(folder)/\(RestoreSwap.staged)" }
    private var spool: String { folder + "/spool.db" }
    private var note: String { "\(folder)/\(RestoreSwap.note)" }
    private var setAside: SetAside { SetAside(folder: folder, files: files) }

    init(_ tenant: String, in data: DataFolder) {
        folder = data.folder(of: tenant)
        commits = data.commits(of: tenant)
        files = data.files
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

    /// Ends what was decided, or removes what was not, and what is left behind an end. One listing when there is nothing.
    ///
    /// - Throws: also when nobody can tell: a spool that is opened before a restore of it has ended would be replaced later,
    ///   with what it took in meanwhile.
    func finish() throws(SpoolError) {
        let names: [String]
        do throws(FileError) { names = try files.disk.names(in: folder) } catch {
            throw Files.failure("look into", folder, error)
        }
        guard names.contains(where: { $0.hasPrefix(RestoreSwap.staged) || $0 == RestoreSwap.note }) else { return }
        guard try files.exists(staged), let name = try decided() else {
            // A log of a staged file that a power cut took would be read as one of the next.
            try discard()
            if try files.exists(note) { try files.remove(note) }
            return
        }
        for part in SetAside.parts where try files.exists(spool + part) {
            try files.rename(spool + part, to: "\(folder)/\(name)\(part)")
        }
        // What was to be carried over into the old spool is no business of the new one.
        try SalvageNote.remove(folder, files)
        if try files.exists(commits) { try files.remove(commits) }
        try files.rename(staged, to: spool)
        try files.remove(note)
    }

    /// The name for the old spool; nil when nothing was decided. A note that is garbled decides nothing.
    private func decided() throws(SpoolError) -> String? {
        guard let bytes = try files.read(note, limit: 256) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard lines.count == 2, lines[0] == RestoreSwap.header, lines[1].hasPrefix("spool.db\(RestoreSwap.infix)"),
            !lines[1].contains("/")
        else { return nil }
        return String(lines[1])
    }

    /// The staged file last: while it is there, somebody comes to remove the rest.
    func discard() throws(SpoolError) {
        for part in ["-wal", "-shm", "-journal", ""] where try files.exists(staged + part) {
            try files.remove(staged + part)
        }
    }
}
