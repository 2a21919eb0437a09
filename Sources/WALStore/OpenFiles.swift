/// The files of an open spool as they were when it was opened: whoever moves, deletes or cuts them takes away what is
/// acknowledged next, without SQLite noticing.
///
/// Looks at names only. The files themselves are SQLite's to open: see `Connection`.
struct OpenFiles: Sendable {
    private let path: String
    private let disk: any FileSystem
    /// Inodes.
    private let database: UInt64?
    private let log: UInt64?

    /// - Parameter path: of the database, which is open and has a log.
    init(_ path: String, on files: Files) {
        self.path = path
        disk = files.disk
        database = OpenFiles.inode(path, disk)
        log = OpenFiles.inode(path + "-wal", disk)
    }

    private static func inode(_ path: String, _ disk: any FileSystem) -> UInt64? {
        do throws(FileError) { return try disk.status(path)?.inode } catch { return nil }
    }

    /// What is wrong with the files; nil when they are where they were, and as long as they must be. Two `lstat`: some
    /// microseconds, beside a sync of some hundred.
    func damage(databaseBytes: Int64, logBytes: Int64) -> String? {
        damage(path, database, databaseBytes) ?? damage(path + "-wal", log, logBytes)
    }

    private func damage(_ path: String, _ known: UInt64?, _ bytes: Int64) -> String? {
        guard let known else { return nil }
        let found: FileStatus?
        // A disk that does not answer is no file that is gone: the next write tells.
        do throws(FileError) { found = try disk.status(path) } catch { return nil }
        guard let found else { return "\(path) is gone" }
        guard found.inode == known else { return "\(path) is another file" }
        return found.bytes < bytes ? "\(path) was cut from \(bytes) to \(found.bytes) bytes" : nil
    }
}

extension Spool {
    /// Ends the spool when its files are not its own any more: what it would acknowledge from here on would be gone.
    ///
    /// - Throws: `.commitFailed`: what was just committed may be lost.
    func checkFiles() throws(SpoolError) {
        guard database != nil, let openFiles else { return }
        let (databaseBytes, logBytes) = account.lengths
        guard let damage = openFiles.damage(databaseBytes: databaseBytes, logBytes: logBytes) else { return }
        end(
            .error, "a spool's files were moved, deleted or cut while it was open", SpoolError(.unavailable, damage))
        throw SpoolError(.commitFailed, "the spool's files are not its own any more; try again", cause: damage)
    }

    /// What is known without the database: the counts of the ledger.
    func books() -> SpoolStatus {
        var status = SpoolStatus()
        status.tenant = tenant
        status.acceptedPoints = ledger.nextPosition
        status.acceptedRequests = ledger.acceptedRequests
        status.refusedPoints = ledger.refusedPoints
        status.droppedAtIngestPoints = ledger.droppedPoints
        status.lastSequence = ledger.nextSequence - 1
        status.maximumBytes = configuration.maximumBytes
        status.backends = ledger.backends.map { $0.ledger(upTo: ledger.nextPosition) }
        return status
    }
}
