/// The data folder of a node that does not run, into which spools of a backup are put.
public final class RestoreTarget: Sendable {
    private let data: DataFolder
    private let node: NodeConfiguration
    private let chainMemory: ChainMemory
    private let time: TimeSource

    /// Takes the data folder, which is made when there is none, until the value goes.
    ///
    /// - Throws: `.unavailable` when a node has it (`isHeldElsewhere`).
    public convenience init(_ directory: String, node: NodeConfiguration) throws(SpoolError) {
        try self.init(directory, node: node, time: .system, on: .system)
    }

    init(_ directory: String, node: NodeConfiguration, time: TimeSource, on files: Files) throws(SpoolError) {
        data = try DataFolder(directory, on: files)
        self.node = node
        self.time = time
        chainMemory = ChainMemory(
            path: node.chainMemoryFile ?? data.chains, files: data.files, events: { _ in })
    }

    /// Why a tenant's spool is not put there; nil when nothing is in the way. Nothing is opened, locked or written.
    public static func obstacle(to tenant: String, in directory: String) throws(SpoolError) -> String? {
        try obstacle(to: tenant, in: directory, on: .system)
    }

    static func obstacle(to tenant: String, in directory: String, on files: Files) throws(SpoolError) -> String? {
        let folder = "\(directory)/tenants/\(tenant)"
        for part in SetAside.parts where try files.exists("\(folder)/spool.db\(part)") { return "it has a spool" }
        for note in ["\(folder)/set-aside", SalvageNote.path(folder)] where try files.exists(note) {
            return "what was set aside of its spool is still to be carried over"
        }
        return nil
    }

    /// - Throws: `.full` when so many bytes would reach into the free-space reserve.
    public func checkRoom(for bytes: Int64) throws(SpoolError) {
        let disk = try DiskSpace.of(data.path, on: data.files)
        let reserve = node.reserveBytes(on: disk)
        guard disk.freeBytes - reserve < bytes else { return }
        throw SpoolError(
            .full,
            "there is not enough room in \(data.path): \(bytes) bytes to come, \(disk.freeBytes) free, of which the node "
                + "keeps \(reserve) free")
    }

    /// What a restore came to.
    public struct Restored: Sendable, Equatable {
        /// What its new rows get first.
        public var firstSequence: Int64
        /// The name that the former spool has now, in the tenant's folder; nil when there was none.
        public var replaced: String?
    }

    /// Puts one spool in its place, durably. A crash leaves the old state or the new one, whole: the next start or the
    /// next restore ends it.
    ///
    /// What was pending when the copy was made may have been sent since: it is marked so, and a refusal as "already
    /// there" then settles it as assumed (rule 4). It is another life of the spool, with sequences beyond all that
    /// the former ones can have given (rule 8).
    ///
    /// - Parameters:
    ///   - replacing: whether a spool that is there may be renamed away; nothing of it is deleted.
    ///   - chain: the node's key. Without it the chain of a spool that has one goes on only with the next start, and does
    ///     not tell what happened before. The chain of another key ends here, and one of this key begins.
    public func restore(
        _ spool: BackupManifest.Spool, from backup: BackupReader, replacing: Bool, chain: ChainKey? = nil
    ) throws(SpoolError) -> Restored {
        let swap = RestoreSwap(spool.tenant, in: data)
        let chain = chain.flatMap { chainMemory.recall(spool.tenant, $0) == .otherKey ? nil : $0 }
        try data.files.makeFolder(swap.folder)
        try swap.finish()
        try data.setAside(of: spool.tenant).finish(wall: time.wall())
        if !replacing, let obstacle = try RestoreTarget.obstacle(to: spool.tenant, in: data.path, on: data.files) {
            throw SpoolError(.misuse, "\(obstacle): --replace renames it away and keeps it")
        }
        do throws(SpoolError) {
            try copy(spool, from: backup, to: swap.staged)
            let first = try firstSequence(spool)
            try adopt(swap.staged, spool, first, chain)
            try data.files.syncFolder(swap.folder)
            // Before the spool: alone it only makes the former one leave some out.
            try mark(spool.tenant).set(first)
            let replaced = try swap.decide(wall: time.wall())
            try swap.finish()
            if let chain {
                try chainMemory.remember(
                    ChainRecord(tenant: spool.tenant, wall: time.wall(), foundLength: 0), chain)
            }
            return Restored(firstSequence: first, replaced: replaced)
        } catch {
            // Nothing was decided, or what was is ended here; the next one looks again.
            do throws(SpoolError) { try swap.finish() } catch {}
            throw error
        }
    }

    private func copy(
        _ spool: BackupManifest.Spool, from backup: BackupReader, to path: String
    ) throws(SpoolError) {
        let disk = data.files.disk
        let digest = try FileDigest.read(
            backup.path(of: spool), on: backup.files,
            each: { (piece) throws(SpoolError) in
                do throws(FileError) { try disk.append(Array(piece), to: path) } catch {
                    throw Files.failure("write", path, error)
                }
            })
        try backup.check(digest, of: spool)
        do throws(FileError) { try disk.sync(path) } catch { throw Files.failure("sync", path, error) }
    }

    private func mark(_ tenant: String) -> HighWaterMark {
        HighWaterMark(path: data.sequences(of: tenant), files: data.files, wall: time.wall)
    }

    /// Beyond what the copied file knows, what was reserved when it was copied, and what is known here. Where nothing is known
    /// here, as the folder is another one, nobody knows how far the former spool counted behind the copy: beyond all.
    private func firstSequence(_ spool: BackupManifest.Spool) throws(SpoolError) -> Int64 {
        let noted = CommitMark(path: data.commits(of: spool.tenant), files: data.files).read()?.nextSequence ?? 1
        return max(spool.books.nextSequence, spool.reservedBefore, try mark(spool.tenant).readOfUsed(), noted)
    }

    /// Makes the file a life of its own, in the present schema, closed and without a log.
    private func adopt(
        _ path: String, _ spool: BackupManifest.Spool, _ first: Int64, _ key: ChainKey?
    ) throws(SpoolError) {
        if let key { try takeOffChain(ofAnother: key, path) }
        let database = try Database(
            path: path, vfs: data.files.disk.vfs, .full, chain: key.map { ($0, spool.tenant) })
        defer { database.connection.close() }
        let books: (tenant: String, next: Int64)
        do throws(SQLiteError) {
            let connection = database.connection
            books = (
                try Statement("SELECT tenant FROM spool", on: connection).first { $0.text(0) } ?? "",
                try connection.followingSequence()
            )
            guard books.tenant == spool.tenant else {
                throw .corrupt("the file is the spool of tenant \(books.tenant)")
            }
            try connection.chain?.load()
            try connection.execute("BEGIN IMMEDIATE")
            try connection.chain?.begin()
            try connection.beginLife(.restored, firstSequence: first, wall: time.wall())
            try connection.suspectAll(before: books.next)
            try connection.endRestore(wall: time.wall())
            try connection.execute("COMMIT")
            database.connection.setCheckpointOnClose(true)
        } catch {
            throw error.asSpoolError
        }
        database.connection.close()
        guard try !data.files.exists(path + "-wal") else {
            throw SpoolError(.commitFailed, "the log of \(path) could not be folded into it")
        }
    }
}

extension RestoreTarget {
    /// What this node cannot prove would only be in the way of what it can. The copy that is restored still has it.
    private func takeOffChain(ofAnother key: ChainKey, _ path: String) throws(SpoolError) {
        let connection = try Database(path: path, vfs: data.files.disk.vfs, .full).connection
        defer { connection.close() }
        do throws(SQLiteError) {
            guard try ChainKeeper.isOfAnother(key, connection) else { return }
            try connection.execute("BEGIN IMMEDIATE")
            for table in ChainTable.allCases where table.isTagged {
                try connection.execute("UPDATE \(table.name) SET tag = NULL WHERE tag IS NOT NULL")
            }
            try connection.execute("DELETE FROM links")
            try connection.execute("UPDATE spool SET chain_state = NULL")
            try connection.execute("COMMIT")
            connection.setCheckpointOnClose(true)
        } catch { throw error.asSpoolError }
    }
}

/// Why a spool's file begins a new life (`incarnations.reason`).
enum NewLife: String, Sendable {
    case restored, copied
}

extension Connection {
    /// A new incarnation, with an event; in the transaction that is open.
    func beginLife(_ reason: NewLife, firstSequence: Int64, wall: Int64) throws(SQLiteError) {
        try Statement(
            "INSERT INTO incarnations (uuid, reason, first_sequence, created_wall) VALUES (?1, ?2, ?3, ?4)", on: self
        ).run(
            .blob((0..<16).map { _ in .random(in: .min ... .max) }), .text(reason.rawValue), .integer(firstSequence),
            .integer(wall))
        try Statement(
            ChainTable.events.insertion(
                ["kind", "at", "wall", "detail"], ["?1", "?2", "?3", "?4"], isChained: isChained), on: self
        ).run(
            .text(reason.rawValue), .integer(try integer("SELECT clock_at FROM spool") ?? 0), .integer(wall),
            .text("sequences from \(firstSequence) on"))
    }

    /// What every transaction ends with.
    func endRestore(wall: Int64) throws(SQLiteError) {
        let version = (try integer("SELECT ledger_version FROM spool") ?? 0) + 1
        try chain?.finish(
            version: version, wall: wall, at: try integer("SELECT clock_at FROM spool") ?? 0, ChainRules(),
            event: (.restored, ""))
        try execute(ChainRow.update([("ledger_version", "ledger_version + 1")], isChained: isChained))
    }

    /// All that is owed before a sequence may have been sent by another life of this spool (rule 4).
    func suspectAll(before sequence: Int64) throws(SQLiteError) {
        try Statement(
            """
            UPDATE backends SET unknown_before = max(unknown_before, ?1), sent_before = max(sent_before, ?1)
            """, on: self
        ).run(.integer(sequence))
    }
}
