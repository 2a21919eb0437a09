import CSQLite

/// Keeps a spool's chain, on the connection that writes it.
///
/// Tags are made in the statements that write rows, by a function of SQL; what a transaction does to the sums is seen by
/// SQLite's preupdate hook, whichever statement does it. Neither touches a page that the transaction would not have written.
/// Belongs to its connection's thread.
final class ChainKeeper {
    static let tagFunction = "chain_tag"
    static let stateFunction = "chain_state"

    /// Where the chain stood when the file was opened.
    enum Standing: Equatable {
        /// There was none.
        case none
        /// There was none, and the node remembers one.
        case takenOff(ChainRecord)
        case sound
        /// The node went on without the key after this version.
        case behind(version: Int64, wall: Int64)
        /// The state, or the last link, is not what was written with this key.
        case broken(String)
    }

    let keys: ChainKeys
    private(set) var standing = Standing.none
    /// As of the last commit; nil before the first.
    var kept: ChainState?
    /// As the open transaction makes it.
    var state: ChainState?
    /// Of the open transaction: rows of `batches`, and rows that were altered.
    var deletedRows: [Span] = []
    var insertedRows: [Span] = []
    var altered: [(table: ChainTable, id: Int64)] = []
    var alteredCount: Int64 = 0
    /// Whether it ends with a link, however lately the last one was made.
    var isSealAsked = false
    /// Why the hook could not see a change.
    var failure: SQLiteError?
    /// What a commit will have to tell.
    var news: [Event] = []
    unowned let connection: Connection

    /// What a row of `batches` spans.
    struct Span {
        var sequences: ClosedRange<Int64>
        var positions: Range<Int64>
    }

    /// Whether the SQLite of this process has the hook.
    static var isPossible: Bool { sqlite3_compileoption_used("ENABLE_PREUPDATE_HOOK") != 0 }

    /// - Throws: for an SQLite without the hook.
    init(_ key: ChainKey, tenant: String, on connection: Connection) throws(SQLiteError) {
        guard ChainKeeper.isPossible else {
            throw SQLiteError(
                code: SQLITE_MISUSE, operation: "keep a chain",
                message: "this SQLite was built without SQLITE_ENABLE_PREUPDATE_HOOK: leave `chain` out of the config")
        }
        keys = ChainKeys(key, tenant: tenant)
        self.connection = connection
        try install()
    }

    // MARK: What was there

    /// Whether what stands in the file was written with another key: the chain is then left as it is.
    static func isOfAnother(_ key: ChainKey, _ connection: Connection) throws(SQLiteError) -> Bool {
        let claim =
            try Statement("SELECT chain_state FROM spool", on: connection)
            .first { row in ChainState.claim(of: row.withBlob(0) { Array($0) }) } ?? nil
        return claim.map { $0.key != key.number } ?? false
    }

    /// Reads where the chain stands; to be called before the first transaction.
    ///
    /// - Parameter remembered: the chain that the spool should have.
    func load(remembered: ChainRecord? = nil) throws(SQLiteError) {
        (kept, state, standing) = (nil, nil, remembered.map { .takenOff($0) } ?? .none)
        let statement = try Statement(ChainRow.query, on: connection)
        defer { statement.reset() }
        guard try statement.step() else { return }
        let bytes = statement.withBlob(Int32(ChainRow.columns.count)) { Array($0) }
        guard !bytes.isEmpty else { return }
        let version = statement.integer(Int32(ChainRow.version))
        let claim = ChainState.claim(of: bytes)
        let found = ChainState(bytes, keys) { ChainRow.add(statement, to: &$0) }
        guard let found else {
            // Of another row: that is what is left behind by a node without the key.
            if let claim, claim.version < version {
                standing = .behind(version: claim.version, wall: claim.wall)
            } else {
                standing = .broken("the state of the chain was not written with this key, or was altered")
            }
            return
        }
        let last = try lastLink()
        guard last?.id == found.length, last?.head == found.head else {
            standing = .broken("the last link is not the one that the state names")
            return
        }
        (kept, standing) = (found, .sound)
    }

    private func lastLink() throws(SQLiteError) -> ChainLink? {
        // Behind an id that no chain reaches, which somebody has put there, none could be given.
        try Statement(
            "SELECT \(ChainLink.columns) FROM links WHERE id < ?1 ORDER BY id DESC LIMIT 1", on: connection
        ).first(.integer(SalvageSurvey.maximumID)) { ChainLink($0) }
    }

    // MARK: A transaction

    /// To be called behind `BEGIN`. Where there is no chain that goes on, a life of one begins.
    func begin() throws(SQLiteError) {
        (deletedRows, insertedRows, altered, alteredCount, failure, news) = ([], [], [], 0, nil, [])
        isSealAsked = false
        if let kept {
            state = kept
            return
        }
        var fresh = ChainState(life: .random(in: 1 ... .max), keys)
        if let last = try lastLink() { (fresh.length, fresh.head) = (last.id, last.head) }
        for table in ChainTable.allCases where table.isTagged {
            fresh[table].floor =
                try connection.integer("SELECT max(\(table.columns[0])) FROM \(table.name)") ?? 0
        }
        for table in ChainTable.allCases where !table.isTagged { try count(table, into: &fresh) }
        state = fresh
    }

    /// Whether the chain begins, or begins again, with the open transaction.
    var isBeginning: Bool { kept == nil }

    /// The key is of another epoch than the last link.
    var newEpoch: (former: UInt32, epoch: UInt32)? {
        kept.flatMap { $0.epoch == keys.epoch ? nil : ($0.epoch, keys.epoch) }
    }

    /// A table without tags is in its sum as a whole, from the first row on.
    private func count(_ table: ChainTable, into state: inout ChainState) throws(SQLiteError) {
        let columns = table.columns
        let keys = keys
        var (sum, rows) = (ChainDigest.zero, Int64(0))
        try Statement("SELECT \(columns.joined(separator: ", ")) FROM \(table.name)", on: connection).rows { row in
            var input = keys.beginElement(table)
            for index in columns.indices { input.add(value: row.value(Int32(index))) }
            sum = sum &+ input.end()
            rows += 1
            return true
        }
        (state[table].sum, state[table].rows) = (sum, rows)
    }

    /// The commit was made: what the transaction made of the chain counts.
    func keep() {
        if let state { kept = state }
        state = nil
        standing = .sound
    }

    /// What came of the last commit that somebody should see.
    func takeNews() -> [Event] {
        defer { news = [] }
        return news
    }

    // MARK: Links

    /// Adds a link, with what became of rows since the last one.
    func link(_ kind: ChainLink.Kind, _ detail: String, version: Int64, wall: Int64, at: Int64) throws(SQLiteError) {
        guard var state else { preconditionFailure("links are made inside a transaction") }
        var link = ChainLink(
            id: state.length + 1, kind: kind.rawValue, wall: wall, version: version, life: state.life,
            epoch: keys.epoch, work: state.work, detail: detail, rows: state.rowsDigest(keys), former: state.head)
        link.head = link.head(keys.link)
        try Statement(ChainLink.insertion, on: connection).run(values: link.values)
        (state.length, state.head, state.linkedAt, state.work) = (link.id, link.head, at, ChainState.Work())
        self.state = state
    }
}

@available(*, unavailable)
extension ChainKeeper: Sendable {}
