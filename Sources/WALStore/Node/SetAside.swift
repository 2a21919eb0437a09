#if canImport(Glibc)
    import Glibc
#endif

/// Puts a spool that cannot be used out of the way, whole: `spool.db`, `-wal` and `-shm` get a new name in the same
/// folder, so that they can still be opened there. Nothing of it is deleted or written. What can be read of it is then
/// carried over into the spool that takes its place (`SalvageNote`).
///
/// A note in the folder makes the three renames one: a crash between them would leave a database without its WAL, or a
/// WAL that a fresh database would take for its own. Whoever opens the spool next ends what the note says.
struct SetAside: Sendable {
    static let prefix = "spool.db.set-aside-"
    /// The database last: while it is there, whatever was begun is not over.
    static let parts = ["-wal", "-shm", ""]

    let folder: String
    let files: Files
    private var spool: String { folder + "/spool.db" }
    private var note: String { folder + "/set-aside" }

    /// Renames the files. No handle of this process may be open on them.
    ///
    /// - Parameters:
    ///   - wall: nanoseconds since the epoch, for the name.
    ///   - isGone: there should have been a spool: its books are made anew also when there is no file left of it.
    /// - Returns: the name the database has now, or would have if there were one; nil when there was nothing at all.
    func perform(wall: Int64, isGone: Bool = false) throws(SpoolError) -> String? {
        let (hasFile, hasLog) = (try files.exists(spool), try files.exists(spool + "-wal"))
        guard isGone || hasFile || hasLog else { return nil }
        let name = try freeName(SetAside.prefix, wall)
        try files.replace(note, with: Array(name.utf8))
        return try finish(wall: wall)
    }

    /// The name of a database whose log was set aside, and it was not.
    private var logWithoutDatabase: String? {
        let names = Set(files.names(in: folder))
        // The log goes first: while it is here, nothing has gone.
        guard !names.contains("spool.db-wal") else { return nil }
        return names.filter { $0.hasPrefix(SetAside.prefix) && $0.hasSuffix("-wal") }
            .map { String($0.dropLast(4)) }.filter { !names.contains($0) }.max()
    }

    /// Ends a rename that a crash interrupted.
    ///
    /// A note that is damaged may have been of a rename whose log is away already: all that is left goes the same way, and
    /// is carried over with it.
    ///
    /// - Parameter wall: nanoseconds since the epoch, for a name that the note does not say.
    /// - Returns: the name the database has now; nil when nothing had been begun.
    @discardableResult
    func finish(wall: Int64) throws(SpoolError) -> String? {
        guard let bytes = try files.read(note, limit: 256, longer: []) else { return nil }
        var name = String(decoding: bytes, as: UTF8.self)
        if !name.hasPrefix(SetAside.prefix) || name.contains(where: { $0 == "/" || !$0.isASCII }) {
            if let begun = logWithoutDatabase { name = begun } else { name = try freeName(SetAside.prefix, wall) }
            try files.replace(note, with: Array(name.utf8))
        }
        for part in SetAside.parts where try files.exists(spool + part) {
            try files.rename(spool + part, to: "\(folder)/\(name)\(part)")
        }
        try SalvageNote.add(name, in: folder, files)
        try files.remove(note)
        return name
    }

    /// Moves what is no file (a folder, a pipe, a socket, a link to itself) from one of the three places, each alone: a
    /// good database or log beside it stays where it is.
    ///
    /// - Returns: what was moved, and the names it has now.
    /// - Throws: `.unavailable` for a link to a file that is not there: that may be on a disk that is not mounted.
    func clearTheWay(wall: Int64) throws(SpoolError) -> [(from: String, to: String)] {
        var moved: [(from: String, to: String)] = []
        for part in SetAside.parts {
            let path = spool + part
            guard let status = try files.status(path), !status.isFile else { continue }
            // SQLite follows no link to an index, which is made anew; and another tenant's spool is not ours to read.
            if status.isLink, part != "-shm", try leadsToFile(path), !leadsToAnother(path) { continue }
            let name = try freeName("spool.db\(part).in-the-way-", wall)
            try files.rename(path, to: "\(folder)/\(name)")
            moved.append((path, name))
        }
        return moved
    }

    private func leadsToFile(_ link: String) throws(SpoolError) -> Bool {
        do throws(FileError) { return try files.disk.target(of: link).isFile } catch {
            if error.number == ELOOP { return false }
            throw SpoolError(
                .unavailable, "\(link) is a link to what is not there: mount its disk, or remove the link",
                cause: String(cString: strerror(error.number)))
        }
    }

    /// Whether a link leads to a file of another tenant of this node: SQLite may have that open, and a plain look into it
    /// would take its locks away.
    private func leadsToAnother(_ link: String) -> Bool {
        do throws(FileError) {
            let (file, own) = (try files.disk.realPath(link), try files.disk.realPath(folder))
            let home = Files.parent(of: file)
            return home != own && Files.parent(of: home) == Files.parent(of: own)
        } catch {
            return false
        }
    }

    /// A dated name that nothing in the folder has, with any of the three endings.
    func freeName(_ prefix: String, _ wall: Int64) throws(SpoolError) -> String {
        let name = prefix + UTC.name(wall)
        var candidate = name
        var number = 2
        // A set may have no database, only a log.
        while try isTaken(candidate) {
            candidate = "\(name).\(number)"
            number += 1
        }
        return candidate
    }

    private func isTaken(_ name: String) throws(SpoolError) -> Bool {
        for part in SetAside.parts where try files.exists("\(folder)/\(name)\(part)") { return true }
        return false
    }

    /// Whether a file of the tenant's folder was set aside, moved out of the way, or replaced by a restore.
    static func isLeft(_ name: String) -> Bool {
        name.hasPrefix("spool.db")
            && (name.contains(".set-aside-") || name.contains(".in-the-way-") || name.contains(RestoreSwap.infix))
    }

    /// Files that were set aside or moved out of the way, and what they take; a log counts with its database.
    static func left(in folder: String, _ files: Files) -> (files: Int64, bytes: Int64) {
        var left: (files: Int64, bytes: Int64) = (0, 0)
        let names = files.names(in: folder).filter(isLeft)
        for name in names {
            let isPart = name.hasSuffix("-wal") || name.hasSuffix("-shm")
            left.files += isPart && names.contains(String(name.dropLast(4))) ? 0 : 1
            left.bytes += files.taken("\(folder)/\(name)")
        }
        return left
    }
}
