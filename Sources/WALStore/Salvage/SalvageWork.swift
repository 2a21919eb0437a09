/// What is left to carry over into a spool, and how far that has come. Lives in memory only: a restart begins the walk
/// again and finds what is there already.
final class SalvageWork {
    let job: SalvageJob
    /// Read and not stored yet: kept when a full disk refuses them.
    var waiting: [SalvagedRow] = []
    /// Rows with points that were carried over, and that could not be.
    var carriedRows: Int64 = 0
    var unreadableRows: Int64 = 0
    /// After the last file: what the next row of the walk in order should begin with.
    var walk: SalvageWalk?
    /// Why the last step failed; nil when it did not.
    var problem: String?

    /// Bases are carried over first: without them the blocks that stand on them cannot be checked.
    private var isAtBases = true
    private var files: [String]
    private var scan: SalvageScan?
    private var statements: [SalvageTable: Statement] = [:]
    private var connection: Connection?

    init(_ job: SalvageJob) {
        self.job = job
        files = job.names.map { "\(job.folder)/\($0)" }
    }

    /// A statement that puts a row of the table back, of the connection in use.
    func insertion(_ table: SalvageTable, on connection: Connection) throws(SQLiteError) -> Statement {
        if self.connection !== connection {
            self.connection = connection
            statements = [:]
        }
        if let statement = statements[table] { return statement }
        let statement = try Statement(table.insertion, on: connection)
        statements[table] = statement
        return statement
    }

    /// Reads on until there is as much as one transaction takes.
    ///
    /// - Parameter wants: whether a row of `batches` is not there yet.
    /// - Returns: false when all files have been read to their ends.
    func fill(_ wants: (SalvagedRow) -> Bool) throws(SpoolError) -> Bool {
        var bytes = waiting.reduce(0) { $0 + $1.payload.count }
        for _ in 0..<64 where bytes < SalvageWork.bytesAStep && waiting.count < SalvageWork.rowsAStep {
            if scan == nil {
                if files.isEmpty, isAtBases {
                    isAtBases = false
                    files = job.names.map { "\(job.folder)/\($0)" }
                    // Rows come behind the transaction that has the bases.
                    if !waiting.isEmpty { return true }
                }
                guard let file = files.first else { return !waiting.isEmpty }
                files.removeFirst()
                guard let pages = try job.pages(file) else { continue }
                scan = SalvageScan(pages, .whole)
            }
            let before = scan
            let rows =
                scan?.next { row in
                    if isAtBases { return row.table == .bases }
                    return row.table == .batches ? wants(row) : row.isCopied
                } ?? []
            if let pages = scan?.pages, pages.takeFailure(), !job.mayGiveUp() {
                scan = before
                throw SalvageJob.notRead
            }
            for row in rows where row.isConsistent {
                bytes += row.payload.count
                waiting.append(row)
            }
            if scan?.isAtEnd != false { scan = nil }
        }
        return true
    }

    /// A transaction's worth; the rows of one page more.
    private static let bytesAStep = 4 << 20
    private static let rowsAStep = 256
}

/// Files to carry over into a new spool.
struct SalvageJob: Sendable {
    var folder: String
    var files: Files
    var note: SalvageNote
    var tenant: String
    var evidence: SalvagedLedger.Evidence
    /// Whether a page that the disk fails to give counts as gone: not as long as it may come back.
    var mayGiveUp: @Sendable () -> Bool = { true }

    /// For so long a page that cannot be read is asked for again: nanoseconds.
    static let patience: Int64 = 60_000_000_000
    static let notRead = SpoolError(.unavailable, "the disk fails to read what was set aside; it is tried again")

    var incarnation: [UInt8] { note.incarnation }
    /// In the folder, the newest first.
    var names: [String] { note.names }

    /// The books to begin with: of the newest file that has any. Of each table the last rows, in whichever file.
    func books() throws(SpoolError) -> SalvagedLedger {
        var books: SalvagedLedger?
        var last: [SalvageTable: [SalvagedRow]] = [:]
        var lastNamedReceipt: Int64 = 0
        for name in names {
            guard let pages = try pages("\(folder)/\(name)") else { continue }
            let found = try survey(pages)
            if books == nil, found.identity != nil || found.newest != nil { books = SalvagedLedger(found, evidence) }
            lastNamedReceipt = max(lastNamedReceipt, found.lastNamedReceipt)
            var scan = SalvageScan(pages, .whole)
            for (table, place) in found.lastCopied where place.id > last[table]?.first?.rowID ?? 0 {
                let rows = scan.rows(on: place.page) { $0.table == table && $0.isCopied }
                if pages.takeFailure(), !mayGiveUp() { throw SalvageJob.notRead }
                if !rows.isEmpty { last[table] = rows.sorted { $0.rowID ?? 0 > $1.rowID ?? 0 } }
            }
        }
        var found = books ?? SalvagedLedger(nil, evidence)
        found.lastRows = last
        found.lastNamedReceipt = lastNamedReceipt
        return found
    }

    /// Whether the file has another name under which SQLite has it open, or may have: a link to another tenant's spool. A
    /// plain look into it would take SQLite's locks away (rule 11).
    private func isSpoolInUse(_ path: String) -> Bool {
        guard let own = identity(path) else { return false }
        let tenants = Files.parent(of: folder)
        return files.names(in: tenants).contains { name in
            identity("\(tenants)/\(name)/spool.db").map { $0 == own } ?? false
        }
    }

    private func identity(_ path: String) -> [UInt64]? {
        do throws(FileError) {
            let status = try files.disk.target(of: path)
            return [status.device, status.inode]
        } catch {
            return nil
        }
    }

    /// The file's pages, with its log where that belongs to it; nil for a file that is none of this tenant's.
    func pages(_ path: String) throws(SpoolError) -> DatabasePages? {
        guard !isSpoolInUse(path) else { return nil }
        let whole = try DatabasePages(path, files)
        let surveyed = try survey(whole)
        guard whole.logPages > 0 else { return surveyed.isForeign ? nil : whole }
        let alone = try DatabasePages(path, files, usesLog: false)
        guard let base = try survey(alone).identity else { return surveyed.isForeign ? nil : whole }
        guard let shown = surveyed.identity, !surveyed.isForeign else { return base.tenant == tenant ? alone : nil }
        // Another spool's log, or an old copy of this one's: it would put old pages over newer ones.
        return shown.uuid == base.uuid && shown.version >= base.version ? whole : alone
    }

    private func survey(_ pages: DatabasePages) throws(SpoolError) -> SalvageSurvey {
        let found = try SalvageSurvey(
            pages, tenant: tenant, reservedBefore: evidence.reservedBefore, stop: files.stop)
        if pages.takeFailure(), !mayGiveUp() { throw SalvageJob.notRead }
        return found
    }
}

/// The walk over all rows in order that follows the copying.
struct SalvageWalk: Sendable {
    /// Where the next row should begin.
    var expected = Cut(Place(1, 0), 0)
    /// Rows up to this sequence have been looked at.
    var after: Int64 = 0
    var lostPoints: Int64 = 0
}
