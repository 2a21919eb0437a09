import Synchronization

/// One backup: the spools of a node, one after another, while it takes in and delivers.
///
/// Each copy is a spool as it is at one moment, the end of its copying: everything that was acknowledged before is in it.
/// The moments of two tenants differ.
public final class BackupJob: Sendable {
    private let request: BackupRequest
    private let origin: BackupOrigin
    private let state: Mutex<BackupProgress>
    private let isCancelled = Atomic(false)
    private let startedAt: Int64
    /// Digests and syncs: what blocks and is nobody's commit.
    private let worker: any SpoolExecutor
    /// Told of each change.
    private let observe: @Sendable (BackupProgress) -> Void

    /// Of a node that runs in this process.
    public convenience init(_ request: BackupRequest, of store: WALStore) { self.init(request, from: .running(store)) }

    /// Of a node that does not run: its folder is locked until the job goes.
    ///
    /// - Throws: `.unavailable` when a node has the folder (`isHeldElsewhere`), or there is none.
    public convenience init(
        _ request: BackupRequest, ofStopped directory: String, node: NodeConfiguration
    ) throws(SpoolError) {
        guard try Files.system.exists(directory + "/tenants") else {
            throw SpoolError(.unavailable, "\(directory) is no data folder: nothing is there to be backed up")
        }
        self.init(request, from: .stopped(try DataFolder(directory, isReader: true), node))
    }

    init(
        _ request: BackupRequest, from origin: BackupOrigin,
        observe: @escaping @Sendable (BackupProgress) -> Void = { _ in }
    ) {
        self.request = request
        self.observe = observe
        self.origin = origin
        state = Mutex(BackupProgress(directory: request.directory))
        worker = origin.scheduling.makeExecutor?() ?? ThreadExecutor()
        startedAt = origin.scheduling.monotonic()
    }

    /// Also of a job that was never run.
    deinit { worker.stop() }

    public var progress: BackupProgress { state.withLock { $0 } }

    /// Ends it soon; nothing of it stays.
    public func cancel() { isCancelled.store(true, ordering: .releasing) }

    /// Does all of it; to be called once.
    ///
    /// - Returns: how it ended. `.done` with `missing` tenants is a backup of the others.
    public func run() async -> BackupProgress {
        defer { worker.stop() }
        var folder: BackupFolder?
        do throws(SpoolError) {
            let tenants = try chosen()
            let target = try BackupFolder(
                request.directory, data: origin.folder.path, node: origin.node,
                bytes: tenants.reduce(0) { $0 + $1.bytes }, on: origin.folder.files)
            folder = target
            try await copy(tenants, into: target)
        } catch {
            folder?.abandon()
            return end { progress in
                progress.phase = isCancelled.load(ordering: .acquiring) ? .cancelled : .failed
                progress.error = progress.phase == .failed ? error.description : nil
            }
        }
        return end { $0.phase = .done }
    }

    private func end(_ body: (inout BackupProgress) -> Void) -> BackupProgress {
        note { progress in
            progress.tenant = nil
            body(&progress)
        }
        return progress
    }

    private func note(_ body: (inout BackupProgress) -> Void) {
        let elapsed = Double(origin.scheduling.monotonic() - startedAt) / 1e9
        observe(
            state.withLock { progress in
                body(&progress)
                progress.elapsedSeconds = elapsed
                return progress
            })
    }

    /// Whose spools, and what they are thought to take.
    private typealias Choice = (tenant: String, bytes: Int64)

    private func chosen() throws(SpoolError) -> [Choice] {
        let all = origin.tenants()
        for tenant in request.tenants where !all.contains(tenant) {
            throw SpoolError(.misuse, "there is no spool of a tenant \"\(tenant)\"")
        }
        let tenants = request.tenants.isEmpty ? all : all.filter { request.tenants.contains($0) }
        guard !tenants.isEmpty else { throw SpoolError(.misuse, "there is no spool to be backed up") }
        let choices = tenants.map { (tenant: $0, bytes: origin.bytes(of: $0)) }
        note { progress in
            progress.tenants = choices.count
            progress.bytes = choices.reduce(0) { $0 + $1.bytes }
        }
        return choices
    }

    private func copy(_ tenants: [Choice], into folder: BackupFolder) async throws(SpoolError) {
        var manifest = BackupManifest(
            madeAt: "", node: request.node, programVersion: request.programVersion, engineVersion: StorageEngine.version
        )
        var moments: [String: Int64] = [:]
        for (tenant, expected) in tenants {
            let before = progress
            do throws(SpoolError) {
                let copied = try await copy(tenant, expected, into: folder)
                manifest.spools.append(copied.spool)
                moments[tenant] = copied.moment
            } catch {
                try checkCancelled()
                // No room for one is no room for the next; and a node that closes has no more to copy.
                guard error.code != .full, error.code != .closing else { throw error }
                folder.forget(tenant)
                manifest.missing.append(BackupManifest.Missing(tenant: tenant, reason: error.description))
                note { progress in
                    (progress.copiedBytes, progress.bytes) = (before.copiedBytes, before.bytes - expected)
                }
            }
            note { progress in
                progress.tenantsDone += 1
                progress.missing = manifest.missing
            }
        }
        guard !manifest.spools.isEmpty else {
            let reasons = manifest.missing.map { "\($0.tenant): \($0.reason)" }
            throw SpoolError(.unavailable, "no spool could be copied", cause: reasons.prefix(3).joined(separator: "; "))
        }
        manifest.madeAt = UTC.text(origin.time.wall())
        let whole = manifest
        try await onWorker { () throws(SpoolError) in try folder.finish(whole) }
        let made = moments
        note { $0.moments = made }
    }

    // MARK: One spool

    /// How often a copy is begun anew because the spool was reopened, or found its way into the config or out of it.
    private static let tries = 4

    private func copy(
        _ tenant: String, _ expected: Int64, into folder: BackupFolder
    ) async throws(SpoolError) -> (spool: BackupManifest.Spool, moment: Int64) {
        let before = progress
        var tries = 1
        while true {
            note { progress in
                progress.phase = .copying
                progress.tenant = tenant
                progress.copiedBytes = before.copiedBytes
                progress.bytes = before.bytes
            }
            let isServed = origin.isServed(tenant)
            do throws(SpoolError) {
                let moment = try await copyOnce(tenant, expected, isServed: isServed, into: folder)
                return (try await describe(tenant, isServed: isServed, in: folder), moment)
            } catch {
                try checkCancelled()
                guard error.code == .closing || origin.isServed(tenant) != isServed, !origin.isClosing else {
                    throw error
                }
                guard tries < BackupJob.tries else { throw SpoolError(.unavailable, error.message, cause: error.cause) }
                folder.forget(tenant)
                tries += 1
            }
        }
    }

    private func copyOnce(
        _ tenant: String, _ expected: Int64, isServed: Bool, into folder: BackupFolder
    ) async throws(SpoolError) -> Int64 {
        guard case .running(let store) = origin, isServed else {
            if let obstacle = try origin.obstacle(tenant) { throw SpoolError(.unavailable, obstacle) }
            let source = ClosedSpool(
                origin.folder.spool(of: tenant), vfs: origin.folder.files.disk.vfs, on: worker,
                isClosed: { [origin] in !origin.isServed(tenant) })
            return try await drive(source, tenant, expected, into: folder)
        }
        return try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            try await drive(spool, tenant, expected, into: folder)
        }
    }

    /// What is written before it is synced, in the middle of a copy: the disk is not to be given all of it at the end.
    private static let bytesASync: Int64 = 8 << 20

    /// - Returns: a wall-clock time: everything that was acknowledged before is in the copy.
    private func drive(
        _ source: some CopySource, _ tenant: String, _ expected: Int64, into folder: BackupFolder
    ) async throws(SpoolError) -> Int64 {
        try await source.beginCopy(to: folder.spool(of: tenant))
        do throws(SpoolError) {
            let before = progress
            let pace = CopyPace(request.bytesPerSecond, origin.scheduling.monotonic)
            var approach = CopyApproach()
            var (copied, synced): (Int64, Int64) = (0, 0)
            while true {
                try checkCancelled()
                let moment = origin.time.wall()
                let step = try await source.copyStep(pace.limit)
                copied = step.pages.copied * CopyLimit.pageBytes
                note { progress in
                    progress.copiedBytes = before.copiedBytes + copied
                    progress.bytes = before.bytes - expected + step.pages.all * CopyLimit.pageBytes
                }
                if step.isWhole {
                    try await onWorker { () throws(SpoolError) in try folder.sync(tenant) }
                    return moment
                }
                guard approach.isNearer(step.pages.all - step.pages.copied, at: origin.scheduling.monotonic()) else {
                    throw SpoolError(
                        .unavailable, "it grows as fast as it is copied: name a higher --rate, or none",
                        cause: "for an hour no less was left than \(approach.least * CopyLimit.pageBytes) bytes")
                }
                if copied - synced >= BackupJob.bytesASync {
                    synced = copied
                    try await onWorker { () throws(SpoolError) in
                        try folder.sync(tenant)
                        try folder.checkRoom(for: 0)
                    }
                }
                try await pause(pace.pause(after: step, copied: copied))
            }
        } catch {
            await source.abandonCopy()
            throw error
        }
    }

    /// What the manifest says of a copy: read from the copy.
    private func describe(
        _ tenant: String, isServed: Bool, in folder: BackupFolder
    ) async throws(SpoolError) -> BackupManifest.Spool {
        note { $0.phase = .reading }
        return try await onWorker { [self] () throws(SpoolError) in
            let path = folder.spool(of: tenant)
            let books = try SpoolBooks.read(path, vfs: origin.folder.files.disk.vfs)
            guard books.tenant == tenant else {
                throw SpoolError(.incompatible, "the file is the spool of tenant \(books.tenant)")
            }
            let lost = isServed ? 0 : origin.missingPoints(books)
            guard lost == 0 else {
                throw SpoolError(
                    .unreadable, "its file has \(lost) points less than were committed: start the node with it first")
            }
            let digest = try FileDigest.read(path, on: origin.folder.files) { () throws(SpoolError) in
                try checkCancelled()
            }
            return BackupManifest.Spool(
                books: books, bytes: digest.bytes, sha256: digest.sha256,
                reservedBefore: max(books.nextSequence, try origin.reservedBefore(tenant)))
        }
    }

    // MARK: Waiting

    private typealias Made<Value> = Swift.Result<Value, SpoolError>

    private func checkCancelled() throws(SpoolError) {
        guard !isCancelled.load(ordering: .acquiring) else { throw SpoolError(.closing, "the backup was cancelled") }
    }

    /// Between two looks at whether it was cancelled.
    private static let longestPause: Int64 = 100_000_000

    private func pause(_ nanoseconds: Int64) async throws(SpoolError) {
        var left = nanoseconds
        while left > 0 {
            try checkCancelled()
            // A task that is cancelled waits no more; the job's own flag decides.
            try? await origin.scheduling.sleep(.nanoseconds(min(left, BackupJob.longestPause)))
            left -= BackupJob.longestPause
        }
    }

    private func onWorker<Result: Sendable>(
        _ body: @escaping @Sendable () throws(SpoolError) -> Result
    ) async throws(SpoolError) -> Result {
        let made = await withCheckedContinuation { (continuation: CheckedContinuation<Made<Result>, Never>) in
            worker.submit {
                do throws(SpoolError) { continuation.resume(returning: .success(try body())) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try made.get()
    }
}

/// Whether a copy comes nearer to its end: a spool that takes in more than `--rate` lets through would never be whole.
struct CopyApproach: Sendable {
    /// So long a time of heavy intake is waited for.
    static let patience: Int64 = 3600 * 1_000_000_000

    /// Pages that were left at the nearest so far.
    private(set) var least = Int64.max
    private var since: Int64 = 0

    /// - Parameters:
    ///   - left: pages to be copied yet.
    ///   - now: nanoseconds of a clock that never goes back.
    /// - Returns: false when no less was left for an hour.
    mutating func isNearer(_ left: Int64, at now: Int64) -> Bool {
        guard left >= least else {
            (least, since) = (left, now)
            return true
        }
        return now - since < CopyApproach.patience
    }
}

/// How fast a spool is copied.
struct CopyPace: Sendable {
    private let bytesPerSecond: Int64?
    private let clock: @Sendable () -> Int64
    private let startedAt: Int64

    init(_ bytesPerSecond: Int64?, _ clock: @escaping @Sendable () -> Int64) {
        self.bytesPerSecond = bytesPerSecond.map { max(1, $0) }
        self.clock = clock
        startedAt = clock()
    }

    /// A slow copy is made of small steps, some twenty a second.
    var limit: CopyLimit {
        var limit = CopyLimit(clock: clock)
        if let bytesPerSecond {
            limit.pages = Int(min(Int64(limit.pages), max(1, bytesPerSecond / 20 / CopyLimit.pageBytes)))
        }
        return limit
    }

    /// Nanoseconds until the next step: as long as the last one took, so that half of the writer's time at least is left
    /// to commits; longer where a speed was named.
    func pause(after step: CopyStep, copied: Int64) -> Int64 {
        guard let bytesPerSecond else { return step.nanoseconds }
        let due = Double(copied) / Double(bytesPerSecond) * 1e9
        return max(step.nanoseconds, Int64(min(due, 1e18)) - (clock() - startedAt))
    }
}
