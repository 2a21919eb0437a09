import Metrics
import Synchronization

/// A tenant's durable queue: one SQLite database in WAL mode, one writer.
///
/// Everything here runs on a queue of its own that a few threads serve, because SQLite blocks. `append` and `settle` only
/// queue; one commit takes all that is queued (`Spool+Commit.swift`). The ledger in memory changes together with its rows,
/// inside `transact`, and goes back with them when a transaction fails.
public actor Spool {
    public nonisolated let tenant: String
    nonisolated let path: String
    nonisolated let environment: SpoolEnvironment
    nonisolated let queue = Mutex(CommitQueue())
    nonisolated let reader: SpoolReader
    /// Names this life of the spool in the node's cache, and in its leases.
    nonisolated let cacheID: UInt64

    var configuration: SpoolConfiguration
    /// The one connection that writes and checkpoints; nil when closed or broken.
    var database: Database?
    var ledger: Ledger
    var clock: SpoolClock
    var incarnation: [UInt8] = []
    /// What this tenant's new requests meet, as the budget decided last.
    var admission = Admission.accept { didSet { announceAdmission(after: oldValue) } }
    /// Why the last commit of new points failed, while the budget let them in; nil once one has passed.
    var intakeProblem: String?
    /// Sequences below it are reserved outside the file.
    var reservedBefore: Int64 = 0
    var leases: [LeaseID: LeaseRecord] = [:]
    var leasesGiven: UInt64 = 0
    /// Backends whose last lease asked for bodies, where there are any.
    var bodyTakers: Set<Int64> = []
    /// Replay jobs, as their rows have them, oldest first.
    var replays: [ReplayJob] = []
    /// What was read of them and is not settled, by job: at most a piece each.
    var replayPieces: [Int64: ReplayPiece] = [:]
    /// Jobs of which a piece is being read.
    var readingReplays: Set<Int64> = []
    var replayCaution: [Int64: ReplayCaution] = [:]
    /// Somebody was given nothing because the backend's former name still has a lease.
    var hasRenamedWaiter = false
    /// Backends whose row differs from memory and is written with the next transaction.
    var changedBackends: Set<Int64> = []
    /// How often an I/O error closed and reopened the database since the last good commit.
    var reopenings = 0
    /// Why the spool cannot go on, when it cannot.
    var broken: SpoolError?
    /// A retry state waits to be written, if no commit takes it along.
    var hasRetryFlush = false
    /// The SQLite failure behind the error on its way up; see `Spool+Transaction.swift`.
    var lastFailure: SQLiteError?
    let workspace = BlockWorkspace()
    /// What new rows stand on.
    let bases: StandingBases
    /// What its files take; they grow only when it says so.
    nonisolated let account: SpaceAccount
    var upkeep = UpkeepState()
    /// It has been opened: what goes wrong from here on is not the opener's to see.
    var isServing = false
    var isTransacting = false
    /// What is being committed may have been sent before, or be sent again.
    var isCommittingMarks = false
    /// What the log shows was there before this process, or before a failure, and could not be written anew.
    var isLogDoubtful = false
    /// Whether the file may know of a stream or a key.
    var mayHaveMarks = false
    /// From the open of a spool that takes another's place, until everything is carried over.
    var isBeingSalvaged = false
    /// Rows of a spool that was set aside are being carried over; nil when there is nothing to carry.
    var salvage: SalvageWork?
    /// What the node remembers of its chain.
    var chainRecord: ChainRecord?
    /// Links that its chain had when it was opened first.
    var chainFound: Int64?
    /// A copy of it is being made, through `database`.
    var copy: LiveCopy?
    /// Its files, as they were when it was opened.
    var openFiles: OpenFiles?
    /// The receipt that was looked for last: dead letters come in runs.
    var lastReceipt: ReceiptRun?
    /// What the last commit of new points was refused, if it was.
    var refusedGrowth: RefusedGrowth?

    /// What happens to requests that are to be committed.
    enum Admission: Sendable {
        case accept
        /// `when_full: reject`, and the free-space reserve: the sender tries again later.
        case reject(String)
        /// `when_full: drop_newest`: counted in a loss row, never stored.
        case dropNewest

        var isAccept: Bool { if case .accept = self { true } else { false } }
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { environment.writer.asUnownedSerialExecutor() }

    private init(path: String, _ configuration: SpoolConfiguration, _ environment: SpoolEnvironment) {
        tenant = configuration.tenant
        self.path = path
        self.environment = environment
        self.configuration = configuration
        account = environment.account ?? SpaceAccount(node: environment.space, baseline: 0)
        account.set(configuration.spaceLimits)
        cacheID = environment.cache.admitSpool()
        bases = StandingBases(environment.baseAllowance, environment.baseRules)
        reader = SpoolReader(
            path: path, executor: environment.reader, vfs: environment.files.disk.vfs,
            cache: (environment.cache, cacheID), monotonic: environment.scheduling.monotonic)
        ledger = Ledger()
        clock = SpoolClock(startingWith: environment.time)
    }

    /// Opens the spool at `path`, or makes one, and registers the configuration's backends.
    ///
    /// - Parameters:
    ///   - minimumSequence: the first sequence that was never given, as known outside the file.
    ///   - salvage: files to carry over; the spool's own file is then the one that takes their place.
    /// - Throws: `.incompatible` for a later version's, another program's or another tenant's file, which is left
    ///   unwritten; `.unreadable` when what it holds does not add up; `.unavailable` when it cannot be opened.
    static func open(
        path: String, _ configuration: SpoolConfiguration, _ environment: SpoolEnvironment, minimumSequence: Int64 = 1,
        salvage: SalvageJob? = nil
    ) async throws(SpoolError) -> Spool {
        let spool = Spool(path: path, configuration, environment)
        do throws(SpoolError) {
            try await spool.start(minimumSequence: minimumSequence, salvage)
        } catch {
            // Whatever comes next needs the file without a handle of ours on it.
            await spool.letGo()
            throw error
        }
        return spool
    }

    private func letGo() { closeDatabase() }

    /// The open database, or why there is none.
    func openDatabase() throws(SpoolError) -> Database {
        guard let database else { throw broken ?? SpoolError(.closing, "the spool is closed") }
        return database
    }

    /// Raises an event with the tenant's name.
    nonisolated func raise(_ level: Event.Level, _ message: StaticString, _ metadata: [String: String] = [:]) {
        var metadata = metadata
        metadata["tenant"] = tenant
        environment.events(Event(level, message, metadata))
    }
}
