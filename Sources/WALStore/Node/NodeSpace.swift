import Synchronization

/// The disk space of the whole node: what is taken, and who may take more.
///
/// All that grows asks first (`SpaceAccount` for the files of spools, `take` for the rest), so that neither the node's
/// budget nor the free-space reserve can be passed by things that run at the same time: see
/// `docs/decisions/0016-space-is-asked-for-first.md`.
final class NodeSpace: Sendable {
    struct Pressure: Sendable, Equatable {
        /// The node's budget is nearly used up, or something was refused for it: whoever keeps what it need not shall
        /// give it back.
        var isOverBudget = false
        /// Less than the reserve is free on the file system.
        var isReserveReached = false
        /// New points were refused for the node's budget, and there is hardly more room since.
        var isFull = false
        var isAny: Bool { isOverBudget || isReserveReached }
    }

    private struct State {
        var pressure = Pressure()
        var disk = DiskSpace(totalBytes: 0, freeBytes: 0)
        /// Granted for writing since the disk was last measured.
        var takenSinceLook: Int64 = 0
        /// Granted for what later checkpoints write.
        var ahead: Int64 = 0
        /// Spools, open and closed, with what else is in their folders.
        var spools: Int64 = 0
        /// Closed spools, by tenant.
        var closed: [String: (spool: Int64, others: Int64)] = [:]
        /// All else in the data folder but the ballast: archives, the summary, sequences.
        var rest: Int64 = 0
        var ballast: Int64 = 0
        /// It was given back because the disk was full, and the disk has not had room for it since.
        var isBallastAway = false
        /// More was there at the start than the budget allows: what makes room has this much.
        var allowance: Int64 = 0
        /// The budget refused something since the last look.
        var hasRefused = false
        var growth = GrowthMeter()

        var total: Int64 { spools + rest + ballast }
        /// What the disk has left for new grants.
        var freeBytes: Int64 { disk.freeBytes - takenSinceLook - ahead }
    }

    private let folder: DataFolder
    private let node: NodeConfiguration
    private let measure: @Sendable (String) throws(SpoolError) -> DiskSpace
    private let ballast: Ballast
    private let state = Mutex(State())
    /// Files replaced as a whole are there twice for a moment, one in each writing thread.
    private let replaceBytes: Int64
    /// Spools that were seen closed, with nothing beside them, before any was opened.
    let closedAtStart: [String: NodeSummary.Stamp]

    /// What a new tenant takes beside its spool: its folder, its marks and their names in the folders above.
    static let tenantBytes: Int64 = 24 << 10

    /// Counts what is in the folder: one look at each file, none is opened.
    ///
    /// - Parameter measure: asks for the space; nil: of the folder's disk.
    init(
        folder: DataFolder, node: NodeConfiguration,
        measure: (@Sendable (String) throws(SpoolError) -> DiskSpace)? = nil
    ) {
        let files = folder.files
        self.folder = folder
        self.node = node
        let ask: @Sendable (String) throws(SpoolError) -> DiskSpace
        if let measure {
            ask = measure
        } else {
            ask = { path throws(SpoolError) in try DiskSpace.of(path, on: files) }
        }
        self.measure = ask
        replaceBytes = Int64(node.writerThreads + 2) * 2 * FileBlocks.bytes + 2 * NodeSpace.tenantBytes
        var initial = State()
        do throws(SpoolError) { initial.disk = try ask(folder.path) } catch { /* The first look says so. */  }
        let maximum = node.maximumBytes(on: initial.disk)
        ballast = Ballast(path: folder.ballast, files: files, bytes: Ballast.bytes(within: maximum))
        var closed: [String: NodeSummary.Stamp] = [:]
        for tenant in folder.tenants() {
            let look = files.look(atTenant: folder.folder(of: tenant))
            initial.closed[tenant] = (look.spoolBytes, look.otherBytes)
            initial.spools += look.spoolBytes + look.otherBytes
            closed[tenant] = look.closed
        }
        closedAtStart = closed
        initial.ballast = files.taken(folder.ballast)
        initial.rest = NodeSpace.measureRest(folder) + replaceBytes
        // Given back before the last stop.
        let isShort = initial.disk.freeBytes < node.reserveBytes(on: initial.disk) + ballast.bytes
        initial.isBallastAway = !initial.closed.isEmpty && isShort && !ballast.isHeld
        if initial.total > maximum - ballast.bytes { initial.allowance = initial.total + ballast.bytes }
        state.withLock { $0 = initial }
    }

    private static func measureRest(_ folder: DataFolder) -> Int64 {
        let tenants = folder.path + "/tenants"
        return folder.files.taken(byTree: folder.path, leavingOut: [tenants, folder.ballast])
            + folder.files.taken(tenants)
    }

    var pressure: Pressure { state.withLock { $0.pressure } }
    var disk: DiskSpace { state.withLock { $0.disk } }
    /// What the data folder takes, at most.
    var usedBytes: Int64 { state.withLock { $0.total } }
    var maximumBytes: Int64 { node.maximumBytes(on: disk) }

    /// Until the budget is used up, or the reserve reached, at the present growth; nil while it does not grow.
    var secondsToFull: Double? {
        state.withLock { state in
            let budget = node.maximumBytes(on: state.disk) - ballast.bytes - state.spools - state.rest
            return state.growth.seconds(to: min(budget, state.disk.freeBytes - node.reserveBytes(on: state.disk)))
        }
    }

    // MARK: Asking

    /// Takes space, or says why there is none. New points leave the ballast's part and the reserve alone.
    ///
    /// - Parameter ahead: how much of it is not written now.
    func take(_ bytes: Int64, ahead: Int64 = 0, _ purpose: SpaceAccount.Purpose) -> SpaceAccount.Refusal? {
        state.withLock { state in
            if let refusal = refusal(bytes, purpose, &state) { return refusal }
            state.spools += bytes
            state.ahead += ahead
            state.takenSinceLook += bytes - ahead
            return nil
        }
    }

    private func refusal(
        _ bytes: Int64, _ purpose: SpaceAccount.Purpose, _ state: inout State
    ) -> SpaceAccount.Refusal? {
        let maximum = node.maximumBytes(on: state.disk)
        guard purpose == .newPoints else {
            if state.total + bytes <= max(maximum, state.allowance) { return nil }
            state.hasRefused = true
            return .node
        }
        guard state.total - state.ballast + bytes <= maximum - ballast.bytes else {
            state.hasRefused = true
            state.pressure.isOverBudget = true
            state.pressure.isFull = true
            return .node
        }
        if state.pressure.isReserveReached { return .reserve }
        let reserve = node.reserveBytes(on: state.disk)
        if state.freeBytes - bytes < reserve { measureAgain(&state) }
        return state.freeBytes - bytes < reserve ? .reserve : nil
    }

    private func measureAgain(_ state: inout State) {
        do throws(SpoolError) {
            state.disk = try measure(folder.path)
            state.takenSinceLook = 0
        } catch {
            // What was known counts, less what was taken since.
        }
    }

    /// What a spool's files gave back, or take already.
    func adjust(by bytes: Int64, ahead: Int64 = 0) {
        state.withLock { state in
            state.spools += bytes
            state.ahead += ahead
            state.takenSinceLook += max(0, bytes - ahead)
        }
    }

    /// How much more what makes room may take.
    var room: Int64 {
        state.withLock { max(0, max(node.maximumBytes(on: $0.disk), $0.allowance) - $0.total) }
    }

    /// Space for files beside the spools: an archive's, the summary's.
    ///
    /// - Returns: false when the budget has none left.
    func takeForFile(_ bytes: Int64) -> Bool {
        state.withLock { state in
            guard refusal(bytes, .makingRoom, &state) == nil else {
                state.pressure.isOverBudget = true
                return false
            }
            state.rest += bytes
            state.takenSinceLook += bytes
            return true
        }
    }

    func giveBackOfFile(_ bytes: Int64) { state.withLock { $0.rest = max(0, $0.rest - bytes) } }

    // MARK: Spools

    /// Takes what a tenant's folder needs, before it is made.
    ///
    /// - Throws: `.full` when there is no room for one more.
    func admit(_ tenant: String) throws(SpoolError) {
        guard state.withLock({ $0.closed[tenant] == nil }) else { return }
        if let refusal = take(NodeSpace.tenantBytes, .newPoints) { throw SpoolError(.full, refusal.reason) }
        state.withLock { state in
            // Some of it lies outside the tenant's folder.
            state.spools -= NodeSpace.tenantBytes
            state.rest += NodeSpace.tenantBytes
            state.closed[tenant] = (0, 0)
        }
    }

    /// The account of a spool that is about to be opened; `closed` ends it.
    func account(_ tenant: String) -> SpaceAccount {
        let found = measureAgain(tenant)
        return SpaceAccount(node: self, baseline: found.spool, files: folder.files)
    }

    /// Counts a closed tenant's files as they are.
    private func measureAgain(_ tenant: String) -> (spool: Int64, others: Int64) {
        let found = folder.files.taken(ofTenant: folder.folder(of: tenant))
        state.withLock { state in
            let known = state.closed[tenant] ?? (0, 0)
            state.spools += found.spool + found.others - known.spool - known.others
            state.closed[tenant] = found
        }
        return found
    }

    /// The tenant's spool is closed: its files count as they are.
    func closed(_ tenant: String, _ account: SpaceAccount) {
        let found = folder.files.taken(ofTenant: folder.folder(of: tenant))
        account.close(taken: found.spool)
        state.withLock { state in
            state.spools += found.others - (state.closed[tenant]?.others ?? 0)
            state.closed[tenant] = found
        }
    }

    // MARK: Looking

    /// Counts the files beside the spools again: somebody else may have made or removed some.
    func recount() {
        let (before, found) = (state.withLock { $0.rest }, NodeSpace.measureRest(folder) + replaceBytes)
        // What was taken meanwhile stays counted.
        state.withLock { $0.rest = max(0, found + ($0.rest - before)) }
    }

    /// Looks at the disk and decides; raises an event when the pressure begins or ends.
    ///
    /// The ballast comes back when there is twice the room for it beside the reserve. Until then new points wait: what it
    /// gave is for settling, pruning and vacuuming, and is not to be used up, taken back and given again in turns.
    ///
    /// - Parameter now: of a clock that never goes back, nanoseconds; nil: not for the estimate of growth.
    func look(now: Int64? = nil, _ events: EventSink) {
        let disk: DiskSpace
        do throws(SpoolError) {
            disk = try measure(folder.path)
        } catch {
            return events(Event(.warning, "the free disk space is not known", ["error": error.description]))
        }
        let reserve = node.reserveBytes(on: disk)
        let (before, after, room) = state.withLock { state -> (Pressure, Pressure, Int64) in
            let before = state.pressure
            state.disk = disk
            state.takenSinceLook = 0
            state.pressure.isReserveReached =
                disk.freeBytes < reserve + (state.isBallastAway ? 2 * ballast.bytes : 0)
            let room = node.maximumBytes(on: disk) - ballast.bytes - (state.total - state.ballast)
            let slack = NodeSpace.slack(node.maximumBytes(on: disk))
            state.pressure.isOverBudget = state.hasRefused || room < slack
            if room >= slack / 4 { state.pressure.isFull = false }
            state.hasRefused = false
            if let now { state.growth.measured(state.spools + state.rest, at: now) }
            if state.total <= node.maximumBytes(on: disk) - ballast.bytes { state.allowance = 0 }
            return (before, state.pressure, room)
        }
        if room >= 0, !after.isReserveReached { keepBallast(disk, reserve) }
        guard before != after else { return }
        events(
            Event(
                after.isAny ? .warning : .info, "the node's disk space changed",
                [
                    "node.over_budget": String(after.isOverBudget), "node.used_bytes": String(usedBytes),
                    "disk.reserve_reached": String(after.isReserveReached), "disk.free_bytes": String(disk.freeBytes),
                ]))
    }

    /// Below the end of the budget by this much, spools begin to give back what they need not keep.
    static func slack(_ maximum: Int64) -> Int64 { min(64 << 20, maximum / 8) }

    // MARK: Ballast

    /// A transaction that makes room met a full disk, or the node's budget, in which the ballast counts: gives it back at
    /// once. From here on new points are refused, until a look sees that there is space again: the ballast is not for them.
    ///
    /// - Parameter refusal: what stood against the transaction; nil: the disk itself. A tenant's own budget gains nothing.
    /// - Returns: false when there was nothing to give, or it would not help.
    func releaseBallast(against refusal: SpaceAccount.Refusal?, _ events: EventSink) -> Bool {
        guard refusal != .tenantFiles, refusal != .tenantPages else { return false }
        let isBudget = refusal == .node
        let isGone = state.withLock { state in
            guard ballast.release() else { return false }
            state.ballast = 0
            if isBudget {
                (state.pressure.isOverBudget, state.pressure.isFull) = (true, true)
            } else {
                state.pressure.isReserveReached = true
                state.isBallastAway = true
            }
            return true
        }
        guard isGone else { return false }
        events(
            isBudget
                ? Event(.error, "the node's budget is used up: the ballast was released")
                : Event(.error, "the disk is full: the ballast was released"))
        return true
    }

    private func keepBallast(_ disk: DiskSpace, _ reserve: Int64) {
        guard disk.freeBytes > reserve + ballast.bytes, !ballast.isHeld else { return }
        state.withLock { state in
            guard ballast.restore() else { return }
            state.isBallastAway = false
            state.takenSinceLook += FileBlocks.atMost(ballast.bytes) - state.ballast
            state.ballast = FileBlocks.atMost(ballast.bytes)
        }
    }
}

extension SpaceAccount.Refusal {
    /// What a sender is told.
    var reason: String {
        switch self {
        case .tenantPages, .tenantFiles: "the tenant's spool has used up its budget"
        case .node: "the node's spools have used up their budget"
        case .reserve: "the disk's free-space reserve is reached"
        case .disk: "the disk is full"
        }
    }
}
