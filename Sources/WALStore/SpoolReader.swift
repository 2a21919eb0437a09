import Metrics

/// Reads stored blocks through a connection that never writes and never checkpoints, on a reader's thread, so that a
/// backlog is decoded beside the commits. Each read is one short transaction.
actor SpoolReader {
    private let path: String
    private let executor: any SpoolExecutor
    private let vfs: String?
    /// Nobody writes the file, and it has no log.
    private let isImmutable: Bool
    private var select: Statement?
    private var isClosed = false
    /// Where bases are kept, and as whose.
    private let cache: (kept: BlockCache, spool: UInt64)
    /// What could not be read: how often in a row, and since when; what was read in the end is not in it.
    private var failures: [Unread: (count: Int, since: Int64)] = [:]
    /// So many failed reads in a row, a second apart as workers retry, end what is owed of a row, or of all that stand on a
    /// base.
    static let maximumFailures = 5
    /// What a read failed by.
    private enum Unread: Hashable {
        case row(Int64), base(Int64)
        /// Nanoseconds. Many rows of many lanes fail by one base: what they read is not to be counted within a moment.
        var patience: Int64 {
            switch self {
            case .row: 0
            case .base: 3_000_000_000
            }
        }
    }
    /// Bases that were given up. They are tried again with each row that stands on them, but not waited for.
    private var lostBases: Set<Int64> = []
    /// Nanoseconds on `monotonic`.
    let monotonic: @Sendable () -> Int64

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(
        path: String, executor: any SpoolExecutor, vfs: String?, isImmutable: Bool = false,
        cache: (BlockCache, UInt64)? = nil,
        monotonic: @escaping @Sendable () -> Int64 = Scheduling.systemMonotonic
    ) {
        self.path = path
        self.monotonic = monotonic
        self.executor = executor
        self.vfs = vfs
        self.isImmutable = isImmutable
        self.cache = cache ?? (BlockCache(), 0)
    }

    /// The decoded block of a row.
    ///
    /// - Throws: `.unreadable` when the row is gone or its block is damaged, `.unavailable` when it may be read in a
    ///   moment, `.closing` after `close`.
    func block(_ sequence: Int64) throws(SpoolError) -> DecodedBlock { try decoded(sequence).block() }

    /// The same, as columns where the block stands on bases.
    func content(_ sequence: Int64) throws(SpoolError) -> RowContent {
        try decoded(sequence, asColumns: true).content.get()
    }

    private func decoded(_ sequence: Int64, asColumns: Bool = false) throws(SpoolError) -> StoredBases.Decoded {
        guard !isClosed else { throw SpoolError(.closing, "the spool is closed") }
        let found: StoredBases.Decoded?
        do throws(ReadFailure) { found = try read(sequence, asColumns) } catch { throw failure(error) }
        failures[.row(sequence)] = nil
        for base in found?.standsOn ?? [] {
            failures[.base(base.id)] = nil
            lostBases.remove(base.id)
        }
        guard let found else { throw SpoolError(.unreadable, "a row that is owed is not stored") }
        return found
    }

    /// The same for somebody who passes over what cannot be read: it is not counted. With what the block stands on.
    func peek(_ sequence: Int64) throws(SpoolError) -> (block: DecodedBlock, standsOn: [BlockBase])? {
        guard !isClosed else { throw SpoolError(.closing, "the spool is closed") }
        let found: StoredBases.Decoded?
        do throws(ReadFailure) { found = try read(sequence) } catch {
            select = nil
            throw error.error.asSpoolError
        }
        return try found.map { found throws(SpoolError) in (try found.block(), found.standsOn) }
    }

    /// Runs `body` on the connection, as one turn on the reader's thread. Whatever it prepares ends with it.
    ///
    /// - Throws: `.closing` after `close`; what cannot be read is not counted.
    func query<Found>(_ body: (Connection) throws(SQLiteError) -> Found) throws(SpoolError) -> Found {
        guard !isClosed else { throw SpoolError(.closing, "the spool is closed") }
        do throws(SQLiteError) { return try body(try statement().connection) } catch {
            select = nil
            throw error.asSpoolError
        }
    }

    private struct ReadFailure: Error {
        var of: Unread
        var error: SQLiteError
    }

    private func read(_ sequence: Int64, _ asColumns: Bool = false) throws(ReadFailure) -> StoredBases.Decoded? {
        let found: Result<StoredBases.Decoded, StoredBases.Failure>?
        do throws(SQLiteError) {
            let statement = try statement()
            let bases = StoredBases(connection: statement.connection, cache: cache.kept, spool: cache.spool)
            found = try statement.first(.integer(sequence)) { row in
                row.withBlob(0) { bases.decode($0, asColumns: asColumns) }
            }
        } catch { throw ReadFailure(of: .row(sequence), error: error) }
        switch found {
        case .success(let decoded): return decoded
        case .failure(let failure): throw ReadFailure(of: .base(failure.base), error: failure.error)
        case nil: return nil
        }
    }

    /// A read that failed need not mean a damaged file, nor does what it left in a cache: only when it fails again and
    /// again, each time anew from the disk, is the row given up; one that the disk did not give, after a minute at the
    /// earliest. With a base that was given up go all rows that stand on it, each when it is its turn.
    private func failure(_ failure: ReadFailure) -> SpoolError {
        select = nil
        let error = failure.error
        guard error.isCorrupt || error.isInputOutput else { return error.asSpoolError }
        let lost = SpoolError(.unreadable, "a stored block cannot be read", cause: error.description)
        if case .base(let base) = failure.of, lostBases.contains(base), error.isCorrupt { return lost }
        let now = monotonic()
        var failed = failures[failure.of] ?? (0, now)
        failed.count += 1
        let isOver = now - failed.since >= (error.isCorrupt ? failure.of.patience : SalvageJob.patience)
        if failed.count >= SpoolReader.maximumFailures, isOver {
            failures[failure.of] = nil
            if case .base(let base) = failure.of { lostBases.insert(base) }
            return lost
        }
        failures[failure.of] = failed
        return SpoolError(
            .unavailable, "a stored block cannot be read; it is tried again", cause: error.description)
    }

    /// Whether the way to a row is sound, so that what cannot be read is the row's own: the length of its block is in its
    /// cell, and reads no page beyond. What the disk fails to give says nothing.
    func canReach(_ sequence: Int64) -> Bool {
        guard !isClosed else { return true }
        do throws(SQLiteError) {
            let connection = try Connection(path: path, access: .readOnly, vfs: vfs, isImmutable: isImmutable)
            defer { connection.close() }
            _ = try connection.integer("SELECT length(block) FROM batches WHERE sequence = \(sequence)")
            return true
        } catch { return !error.isCorrupt }
    }

    /// Closes the connection for good: the last one to close a WAL database takes the WAL away.
    func close() {
        isClosed = true
        select = nil
    }

    /// Closes the connection until the next read, and returns when it is closed; never called on a reader's thread.
    nonisolated func disconnect() {
        executor.runAndWait { self.assumeIsolated { $0.select = nil } }
    }

    private func statement() throws(SQLiteError) -> Statement {
        if let select { return select }
        let connection = try Connection(path: path, access: .readOnly, vfs: vfs, isImmutable: isImmutable)
        try connection.execute("PRAGMA cache_size = -64")
        let select = try Statement("SELECT block FROM batches WHERE sequence = ?1", on: connection)
        self.select = select
        return select
    }
}
