/// What happens to a new request when the budget is used up. Raw values are the config's.
public enum WhenFull: String, Sendable, Hashable, CaseIterable {
    case reject
    case dropOldest = "drop_oldest"
    case dropNewest = "drop_newest"
}

/// SQLite's `synchronous`; anything but `full` breaks P1 and is set by name, per tenant, in the config.
public enum Durability: String, Sendable, Hashable, CaseIterable {
    case full
    /// Acknowledged points of the last moments may be lost in a power cut, never in a crash of the process.
    case normal = "relaxed"
}

/// A backend as the spool needs to know it. Its identity is the config key, never a URL.
public struct BackendRegistration: Sendable, Hashable {
    public enum Backfill: Sendable, Hashable {
        /// Owed from now on: what the config says nothing about.
        case none
        /// Owed everything still stored.
        case all
        /// Owed what was received within the last so many seconds.
        case seconds(Int64)
    }
    public var name: String
    /// Another type under the same key is an error.
    public var type: String
    public var backfill: Backfill
    /// The key it had before: it keeps its ledger.
    public var renamedFrom: String?
    /// What it is owed and is older than this becomes its losses; nil: as old as the tenant's limit lets it be.
    public var maximumAgeSeconds: Int64?

    public init(name: String, type: String, backfill: Backfill = .none, renamedFrom: String? = nil) {
        self.name = name
        self.type = type
        self.backfill = backfill
        self.renamedFrom = renamedFrom
    }
}

/// How one tenant's spool behaves. A reload hands over a new one.
public struct SpoolConfiguration: Sendable, Hashable {
    public var tenant: String
    public var backends: [BackendRegistration]
    /// Bytes on disk, `-wal` and dead letters included; nil: only the node's budget counts.
    public var maximumBytes: Int64?
    /// Undelivered points older than this become loss rows; nil: kept for ever.
    public var maximumAgeSeconds: Int64?
    /// How long delivered batches stay for replay and audit.
    public var retainSeconds: Int64
    public var whenFull: WhenFull
    public var durability: Durability
    /// How long a commit may wait for company, nanoseconds.
    public var commitLingerNanoseconds: Int64
    public var deadLetterMaximumBytes: Int64
    public var deadLetterMaximumAgeSeconds: Int64
    public var resend = ResendLimits()
    /// The node's key, where the spool is to keep a chain; taken when the spool is opened.
    public var chain: ChainKey?

    public init(
        tenant: String, backends: [BackendRegistration], maximumBytes: Int64? = nil, maximumAgeSeconds: Int64? = nil,
        retainSeconds: Int64 = 86_400, whenFull: WhenFull = .reject, durability: Durability = .full,
        commitLingerNanoseconds: Int64 = 0, deadLetterMaximumBytes: Int64 = 256 << 20,
        deadLetterMaximumAgeSeconds: Int64 = 30 * 86_400
    ) {
        self.tenant = tenant
        self.backends = backends
        self.maximumBytes = maximumBytes
        self.maximumAgeSeconds = maximumAgeSeconds
        self.retainSeconds = retainSeconds
        self.whenFull = whenFull
        self.durability = durability
        self.commitLingerNanoseconds = commitLingerNanoseconds
        self.deadLetterMaximumBytes = deadLetterMaximumBytes
        self.deadLetterMaximumAgeSeconds = deadLetterMaximumAgeSeconds
    }
}

extension SpoolConfiguration {
    /// How old what the backend is owed may be: the shorter of its own limit and the tenant's; nil: as old as it is.
    ///
    /// - Parameter backend: by name; one that is not in the config has the tenant's.
    func maximumAgeSeconds(of backend: String) -> Int64? {
        let own = backends.first { $0.name == backend }?.maximumAgeSeconds
        guard let own, let maximumAgeSeconds else { return own ?? maximumAgeSeconds }
        return min(own, maximumAgeSeconds)
    }

    /// The shortest of all.
    var leastAgeSeconds: Int64? { (backends.map(\.maximumAgeSeconds) + [maximumAgeSeconds]).compactMap(\.self).min() }

    var spaceLimits: SpaceAccount.Limits? { maximumBytes.map { SpaceAccount.Limits(maximumBytes: $0) } }
}

/// The node's share: one per data folder.
public struct NodeConfiguration: Sendable, Hashable {
    /// nil: 50 GiB or 80 % of the disk, whichever is less.
    public var maximumBytes: Int64?
    /// Kept free on the file system, in percent of its size.
    public var freeSpaceReservePercent: Double
    public var openSpools: Int
    /// Threads that write and read spools; tenants share them by hash.
    public var writerThreads: Int
    public var readerThreads: Int
    /// Decoded requests that wait for a commit, over all tenants; beyond it a request is answered as full.
    public var ingestMemoryBytes: Int
    /// Where the node remembers which spools have a chain; nil: in the data folder.
    public var chainMemoryFile: String?

    public init(
        maximumBytes: Int64? = nil, freeSpaceReservePercent: Double = 5, openSpools: Int = 256, writerThreads: Int = 2,
        readerThreads: Int = 2, ingestMemoryBytes: Int = 64 << 20
    ) {
        self.maximumBytes = maximumBytes
        self.freeSpaceReservePercent = freeSpaceReservePercent
        self.openSpools = openSpools
        self.writerThreads = writerThreads
        self.readerThreads = readerThreads
        self.ingestMemoryBytes = ingestMemoryBytes
    }
}
