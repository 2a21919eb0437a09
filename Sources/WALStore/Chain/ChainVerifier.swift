import CSQLite

/// Reads a whole spool and finds what is not as the node has written it.
///
/// One snapshot from beginning to end: the sums are those of one commit. Rows are read in the order of their ids, a block at
/// a time; memory does not grow with the spool.
public final class ChainVerifier {
    static let maximumFindings = 1000

    let connection: Connection
    let keys: ChainKeys
    let key: ChainKey
    let watch: AuditWatch
    let expected: ChainExpectation
    private let progress: (Double) -> Void
    private var keysOfEpochs: [UInt32: ChainKeys?] = [:]
    var answer = ChainAnswer()
    /// As the spool has it; nil when nothing vouches for it.
    var state: ChainState?
    /// The state is that of the last transaction.
    var isCurrent = false
    /// Positions of rows that the node has deleted.
    var pruned: [Range<Int64>] = []
    /// What looking for the origins of rows may still hash, so that many altered rows do not take for ever.
    var originBytes = 1 << 30

    /// - Parameters:
    ///   - key: the node's, or an earlier one of it, which has all epochs from its own on.
    ///   - progress: hears how much is done, from 0 to 1.
    public static func verify(
        _ file: AuditFile, key: ChainKey, expecting expected: ChainExpectation = ChainExpectation(),
        limits: AuditLimits = AuditLimits(time: .seconds(3600)), progress: @escaping (Double) -> Void = { _ in },
        isStopped: @escaping () -> Bool = { false }
    ) throws(AuditError) -> ChainAnswer {
        let watch = AuditWatch(limits, path: file.path, isStopped: isStopped)
        do throws(SQLiteError) {
            let connection = try Connection(path: file.path, access: .readOnly, isImmutable: file.isImmutable)
            defer { connection.close() }
            try connection.execute("PRAGMA query_only = 1")
            return try verify(connection, key, watch, expected, progress)
        } catch {
            guard let reason = watch.reason else { throw AuditError(error) }
            guard reason.code == .logGrew else { throw reason }
            throw AuditError(
                .logGrew,
                "the spool's log grew by more than \(limits.logGrowthBytes >> 20) MiB while it was read, and is as long as that goes "
                    + "on: nothing is said of the spool; make a copy with `holdfast backup DIR --tenant ID`, and verify that with "
                    + "`--file DIR/spools/ID.db`")
        }
    }

    /// Through a connection that is in no transaction.
    static func verify(
        _ connection: Connection, _ key: ChainKey, _ watch: AuditWatch,
        _ expected: ChainExpectation = ChainExpectation(), _ progress: @escaping (Double) -> Void = { _ in }
    ) throws(SQLiteError) -> ChainAnswer {
        try AuditDatabase.check(connection)
        try connection.execute("BEGIN")
        do throws(SQLiteError) {
            let verifier = try ChainVerifier(connection, key, watch, expected, progress)
            try verifier.run()
            try connection.execute("COMMIT")
            return verifier.answer
        } catch {
            if connection.isInTransaction { try connection.execute("ROLLBACK") }
            throw error
        }
    }

    private init(
        _ connection: Connection, _ key: ChainKey, _ watch: AuditWatch, _ expected: ChainExpectation,
        _ progress: @escaping (Double) -> Void
    ) throws(SQLiteError) {
        self.key = key
        self.watch = watch
        self.expected = expected
        self.progress = progress
        self.connection = connection
        let tenant = try Statement("SELECT tenant FROM spool", on: connection).first { $0.text(0) } ?? ""
        keys = ChainKeys(key, tenant: tenant)
        answer.tenant = tenant
    }

    /// The first that has a chain.
    private static let schemaVersion: Int64 = 6
    private static let noChain = SQLiteError(
        code: SQLITE_ERROR, operation: "verify",
        message: "the spool has no chain: the config had no key when it was written")

    private func run() throws(SQLiteError) {
        checkExpectations()
        guard try connection.integer("PRAGMA user_version") ?? 0 >= ChainVerifier.schemaVersion else {
            return try addMissingChain()
        }
        try readState()
        try verifyLinks()
        for table in ChainTable.allCases { try verify(table) }
        try verifyRoutes()
        // Of a spool that was altered something is still as it was.
        let isNothingProven = state == nil && answer.soundRows == 0 && answer.uncheckedRows == 0
        guard !isNothingProven || answer.confirmedAnchors > 0 || expected.record != nil else {
            throw SQLiteError(
                code: SQLITE_ERROR, operation: "verify",
                message: "the key does not belong to this spool, or every part of it was altered")
        }
        progress(1)
    }

    // MARK: The state

    private func checkExpectations() {
        if let tenant = expected.tenant, tenant != answer.tenant {
            add(
                .changed, "spool", 1,
                "the spool of tenant \(answer.tenant) lies in the folder of tenant \(tenant): somebody has put it there"
            )
        }
        guard let record = expected.record, record.foundLength > expected.acceptedGaps else { return }
        add(
            .gap, "links", record.foundLength,
            "at \(UTC.text(record.wall)) the node found \(record.foundLength) links of a chain that it did not remember: what it "
                + "remembered was removed, or could not be written, or the spool was put in its place from elsewhere")
    }

    /// - Throws: where nothing says that there should be a chain.
    private func addMissingChain() throws(SQLiteError) {
        guard let record = expected.record else { throw ChainVerifier.noChain }
        add(
            .removed, "links", nil,
            "the node remembers a chain since \(UTC.text(record.wall)), and there is none: \(ChainRecord.meaning)")
    }

    private func readState() throws(SQLiteError) {
        let statement = try Statement(ChainRow.query, on: connection)
        defer { statement.reset() }
        guard try statement.step() else {
            return add(.state, "spool", nil, "the row is gone that says whose spool it is, and how far it goes")
        }
        let bytes = statement.withBlob(Int32(ChainRow.columns.count)) { Array($0) }
        guard !bytes.isEmpty else {
            // A spool that had one cannot lose it by itself.
            guard try connection.integer("SELECT count(*) FROM links") ?? 0 > 0 else { return try addMissingChain() }
            return add(.state, "spool", 1, "the state of the chain was removed")
        }
        let version = statement.integer(Int32(ChainRow.version))
        let claim = ChainState.claim(of: bytes)
        // Only an older node without the key leaves an older state in place.
        if let claim, claim.version < version {
            (answer.version, answer.wall) = (claim.version, claim.wall)
            return add(
                .gap, "spool", 1,
                "the spool was written without its key after ledger version \(claim.version) of \(UTC.text(claim.wall)), up "
                    + "to \(version): what was removed, inserted or put back since is not known")
        }
        guard let found = ChainState(bytes, keys, row: { ChainRow.add(statement, to: &$0) }) else {
            return add(
                .state, "spool", 1,
                "the row is not as it was written: the end of the spool, its counters or its clock were altered")
        }
        (state, isCurrent) = (found, true)
        if expected.tenant != nil, expected.record == nil, found.length > max(1, expected.acceptedGaps) {
            add(
                .gap, "links", found.length,
                "the node does not remember this chain: what it remembered was removed, or could not be written, or the spool was "
                    + "put in its place from elsewhere")
        }
        (answer.version, answer.wall) = (found.version, found.wall)
        answer.status = ChainStatus(length: found.length, head: found.head.text)
        if let span = found.work.pruned { pruned.append(span) }
    }

    // MARK: Pieces of it

    func add(_ kind: ChainFinding.Kind, _ table: String, _ row: Int64?, _ text: String) {
        guard answer.findings.count < ChainVerifier.maximumFindings else {
            answer.unlistedFindings += 1
            return
        }
        answer.findings.append(ChainFinding(kind: kind, table: table, row: row, text: text))
    }

    /// nil when the key has not that epoch.
    func keys(of epoch: UInt32) -> ChainKeys? {
        if epoch == keys.epoch { return keys }
        if let known = keysOfEpochs[epoch] { return known }
        // A row may name any epoch; few are ever true.
        guard keysOfEpochs.count < ChainVerifier.maximumFindings else { return nil }
        let found = key.key(of: epoch).map { ChainKeys($0, tenant: answer.tenant) }
        keysOfEpochs[epoch] = found
        return found
    }

    func look(done: Double) throws(SQLiteError) {
        progress(done)
        guard watch.isOver() else { return }
        throw SQLiteError(code: SQLITE_INTERRUPT, operation: "verify", message: "stopped")
    }
}

@available(*, unavailable)
extension ChainVerifier: Sendable {}
