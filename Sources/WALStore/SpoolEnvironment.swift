/// What a spool shares with the others of its node, and what it asks of whoever owns it.
struct SpoolEnvironment: Sendable {
    /// Runs the actor: all writes and checkpoints of its spools.
    var writer: any SpoolExecutor
    /// Reads and decodes stored blocks.
    var reader: any SpoolExecutor
    var cache: BlockCache
    var spare = SpareBatches()
    var merges = MergeMemory()
    var baseAllowance = BaseAllowance()
    var baseRules = BaseRules()
    var time: TimeSource
    var events: EventSink
    /// Called on the writer before sequences at or beyond the last answer are used: makes sure, outside the file, that
    /// they are never given again, and returns the first sequence that is not reserved (rule 8).
    var reserveSequences: @Sendable (Int64) throws(SpoolError) -> Int64
    /// Called after a commit that gave the backends something to do.
    var onWork: @Sendable () -> Void
    /// Called on the writer when the spool cannot go on after an I/O error: it is to be closed and set aside.
    var onBroken: @Sendable (SpoolError) -> Void
    /// The disk that has the spool's file.
    var files = Files.system
    /// How full the node's disk is; nil: a spool on its own.
    var space: NodeSpace?
    var scheduling = Scheduling.system
    var schema = Schema.released
    var chainRules = ChainRules()
    /// What the node remembers of its chains; nil: a spool on its own.
    var chainMemory: ChainMemory?
    /// Where the end of each commit is noted, outside the database; nil: a spool on its own.
    var commitMark: CommitMark?
    /// Counts the spool's files; nil: one of its own.
    var account: SpaceAccount?
    /// What may wait for a commit, in bytes of decoded requests.
    var maximumQueuedBytes = 64 << 20

    init(
        writer: any SpoolExecutor, reader: any SpoolExecutor, cache: BlockCache, time: TimeSource = .system,
        events: @escaping EventSink = { _ in }, onWork: @escaping @Sendable () -> Void = {},
        onBroken: @escaping @Sendable (SpoolError) -> Void = { _ in },
        reserveSequences: @escaping @Sendable (Int64) throws(SpoolError) -> Int64 = { _ throws(SpoolError) in .max }
    ) {
        self.writer = writer
        self.reader = reader
        self.cache = cache
        self.time = time
        self.events = events
        self.onWork = onWork
        self.onBroken = onBroken
        self.reserveSequences = reserveSequences
    }
}
