import Synchronization

/// What the files of one spool take of the disk, and what they may take: every growth is asked for here before it is
/// written (`CountedFiles`), so that a budget cannot be passed, whatever runs at the same time.
///
/// Beside what is there it holds what has been promised: a page in the log goes to its place in the database with some
/// later checkpoint, which must never be refused.
final class SpaceAccount: Sendable {
    enum File: Sendable { case database, log, index }

    /// What growth is for. New points leave room for what makes room: settling, dropping, pruning, vacuuming.
    enum Purpose: Sendable { case newPoints, makingRoom }

    /// Whose limit stood against a growth.
    enum Refusal: Sendable, Hashable {
        /// The database has all the pages that the tenant's budget leaves to it.
        case tenantPages
        /// Database, log and its index together reach the tenant's budget.
        case tenantFiles
        case node
        case reserve
        /// The disk itself has no more.
        case disk
    }

    /// The parts of a tenant's budget.
    struct Limits: Sendable, Hashable {
        var maximumBytes: Int64
        /// What only making room may use.
        var headroomBytes: Int64 { min(max(maximumBytes / 16, 128 << 10), 4 << 20) }
        /// What is left to the log, headroom included: enough for a commit with the largest of blocks, where the budget
        /// is not small itself.
        var logBytes: Int64 { min(maximumBytes / 4, 24 << 20) }
        /// What new points may let the database grow to.
        var databaseBytes: Int64 { maximumBytes - logBytes }
        /// The log of one commit of new points must fit into it.
        var commitBytes: Int64 { logBytes - headroomBytes }
    }

    private struct State {
        var limits: Limits?
        var purpose = Purpose.makingRoom
        /// As much as is on the disk: a hole at the end is growth when it is written.
        var database: Int64 = 0
        /// Where the database ends when the log has been folded in.
        var promised: Int64 = 0
        var log: Int64 = 0
        /// How long the two are.
        var lengths: (database: Int64, log: Int64) = (0, 0)
        var index: Int64 = 0
        /// What the closed spool took, until it is known what the opened one takes.
        var baseline: Int64 = 0
        /// The budget was made smaller than what is there: what makes room has this much, until it has done so. Less and
        /// less, with what is there.
        var allowance: Int64 = 0
        /// Then it has done so when there is headroom: just below the budget the log of a page that is to be given back
        /// may find no room, and nothing would ever be.
        var endsAtHeadroom = false
        var refusal: Refusal?
        var isClosed = false

        var databaseCharge: Int64 { FileBlocks.atMost(max(database, promised)) }
        /// Counted, and not written to the database yet.
        var ahead: Int64 { databaseCharge - FileBlocks.atMost(database) }
        var charge: Int64 {
            max(baseline, databaseCharge + FileBlocks.atMost(log) + FileBlocks.atMost(index))
        }
    }

    let id: UInt64
    private let node: NodeSpace?
    private let files: Files?
    private let state: Mutex<State>

    private static let registry = Mutex<(next: UInt64, accounts: [UInt64: Weak])>((1, [:]))
    private struct Weak: Sendable {
        weak var account: SpaceAccount?
    }

    /// - Parameters:
    ///   - baseline: what the spool's files take while it is closed, as the node counts them.
    ///   - files: the disk that says what a file takes; nil: as much as it is long.
    init(node: NodeSpace?, baseline: Int64, files: Files? = nil) {
        self.node = node
        self.files = files
        var initial = State()
        initial.baseline = baseline
        state = Mutex(initial)
        id = SpaceAccount.registry.withLock { registry in
            defer { registry.next += 1 }
            return registry.next
        }
        SpaceAccount.registry.withLock { $0.accounts[id] = Weak(account: self) }
    }

    deinit { SpaceAccount.registry.withLock { $0.accounts[id] = nil } }

    static func find(_ id: UInt64) -> SpaceAccount? { registry.withLock { $0.accounts[id]?.account } }

    // MARK: Files

    /// Asks for room before a file is written beyond its end.
    ///
    /// - Returns: false when it may not grow; `refusal` says why.
    func grow(_ file: File, to bytes: Int64) -> Bool {
        change(asks: true) { state in
            switch file {
            case .database:
                state.database = max(state.database, bytes)
                state.lengths.database = max(state.lengths.database, bytes)
            case .log:
                state.log = max(state.log, bytes)
                state.lengths.log = max(state.lengths.log, bytes)
            case .index: state.index = max(state.index, bytes)
            }
        }
    }

    /// Asks for room in the database for a page that is about to be written to the log.
    func promise(databaseBytes bytes: Int64) -> Bool {
        change(asks: true) { $0.promised = max($0.promised, bytes) }
    }

    /// A file has this length now: opened, or cut.
    ///
    /// Of a length that is not on the disk nothing is counted: somebody may have made the file longer than any disk. What
    /// is written into such a hole is asked for, as growth or, inside the database, as a page (`ends`).
    ///
    /// - Parameter path: of the file; nil: all of it counts.
    func has(_ file: File, _ bytes: Int64, at path: String? = nil) {
        let taken = path.flatMap { files?.knownTaken($0) }.map { min($0, bytes) } ?? bytes
        _ = change(asks: false) { state in
            switch file {
            case .database:
                state.database = taken
                state.lengths.database = bytes
            case .log:
                state.log = taken
                state.lengths.log = bytes
            case .index: state.index = taken
            }
        }
    }

    /// Between transactions: where the database ends, promises of what was rolled back being void.
    func ends(databaseBytes bytes: Int64) {
        _ = change(asks: false) { $0.promised = bytes }
    }

    private func change(asks: Bool, _ body: (inout State) -> Void) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return !asks }
            var next = state
            body(&next)
            let (delta, ahead) = (next.charge - state.charge, next.ahead - state.ahead)
            if delta > 0, asks {
                let mine = SpaceAccount.refusal(of: next, before: state)
                if let refusal = mine ?? node?.take(delta, ahead: ahead, state.purpose) {
                    state.refusal = refusal
                    return false
                }
            } else if delta != 0 || ahead != 0 {
                node?.adjust(by: delta, ahead: ahead)
            }
            if let limits = next.limits {
                let end = limits.maximumBytes - (next.endsAtHeadroom ? limits.headroomBytes : 0)
                next.allowance = next.charge <= end ? 0 : min(next.allowance, next.charge + limits.headroomBytes)
            }
            state = next
            return true
        }
    }

    private static func refusal(of next: State, before: State) -> Refusal? {
        guard let limits = next.limits else { return nil }
        switch next.purpose {
        case .newPoints:
            if next.databaseCharge > limits.databaseBytes, next.databaseCharge > before.databaseCharge {
                return .tenantPages
            }
            return next.charge > limits.maximumBytes - limits.headroomBytes ? .tenantFiles : nil
        case .makingRoom:
            return next.charge > max(limits.maximumBytes, next.allowance) ? .tenantFiles : nil
        }
    }

    // MARK: The spool

    /// What may be written from here on, and for what.
    func set(_ limits: Limits?) {
        state.withLock { state in
            state.limits = limits
            state.allowance = 0
            state.endsAtHeadroom = limits.map { state.charge > $0.maximumBytes } ?? false
            if let limits, state.charge > limits.maximumBytes - limits.headroomBytes {
                state.allowance = state.charge + limits.headroomBytes
            }
        }
    }

    func begin(_ purpose: Purpose) {
        state.withLock { state in
            state.purpose = purpose
            state.refusal = nil
        }
    }

    /// The spool is open: its files count as they are.
    func opened() { _ = change(asks: false) { $0.baseline = 0 } }

    /// The files are no longer ours: counts what `bytes` says from now on, and nothing more.
    func close(taken bytes: Int64) {
        state.withLock { state in
            guard !state.isClosed else { return }
            node?.adjust(by: bytes - state.charge, ahead: -state.ahead)
            state = State()
            state.isClosed = true
        }
    }

    var purpose: Purpose { state.withLock { $0.purpose } }
    /// Why the last growth since `begin` was refused; nil when none was.
    var refusal: Refusal? { state.withLock { $0.refusal } }
    var limits: Limits? { state.withLock { $0.limits } }
    /// What the files take at most.
    var bytes: Int64 { state.withLock { $0.charge } }
    /// How long the database and its log are.
    var lengths: (database: Int64, log: Int64) { state.withLock { $0.lengths } }

    /// How long the database is when its log has been folded in.
    var databaseBytes: Int64 { state.withLock { max($0.database, $0.promised) } }

    /// How much more what makes room may take.
    var room: Int64 {
        let mine = state.withLock { state in
            state.limits.map { max($0.maximumBytes, state.allowance) - state.charge } ?? .max
        }
        return max(0, min(mine, node?.room ?? .max))
    }
}
