import Synchronization

/// How tight disk space is for the whole node, as seen at the last look: spools ask it before they take more.
final class NodeSpace: Sendable {
    struct Pressure: Sendable, Equatable {
        /// All spools together take more than the node's budget.
        var isOverBudget = false
        /// Less than the reserve is free on the file system.
        var isReserveReached = false
        var isAny: Bool { isOverBudget || isReserveReached }
    }

    private struct State {
        var pressure = Pressure()
        var disk = DiskSpace(totalBytes: 0, freeBytes: 0)
        var usedBytes: Int64 = 0
    }

    private let path: String
    private let node: NodeConfiguration
    private let ballast: Ballast
    private let measure: @Sendable (String) throws(SpoolError) -> DiskSpace
    private let state = Mutex(State())

    /// - Parameter measure: asks for the space; nil: of the folder's disk.
    init(
        folder: DataFolder, node: NodeConfiguration,
        measure: (@Sendable (String) throws(SpoolError) -> DiskSpace)? = nil
    ) {
        let files = folder.files
        path = folder.path
        ballast = Ballast(path: folder.ballast, files: files)
        self.node = node
        if let measure {
            self.measure = measure
        } else {
            self.measure = { path throws(SpoolError) in try DiskSpace.of(path, on: files) }
        }
    }

    var pressure: Pressure { state.withLock { $0.pressure } }
    var disk: DiskSpace { state.withLock { $0.disk } }
    var usedBytes: Int64 { state.withLock { $0.usedBytes } }

    /// Looks at the disk and decides; raises an event when the pressure begins or ends.
    ///
    /// The ballast goes when the reserve is nearly eaten up too, and comes back when there is room for it beside the
    /// reserve.
    func look(usedBytes: Int64? = nil, _ events: EventSink) {
        let disk: DiskSpace
        do throws(SpoolError) {
            disk = try measure(path)
        } catch {
            return events(Event(.warning, "the free disk space is not known", ["error": error.description]))
        }
        let reserve = node.reserveBytes(on: disk)
        let (before, now) = state.withLock { state -> (Pressure, Pressure) in
            let before = state.pressure
            state.disk = disk
            if let usedBytes { state.usedBytes = usedBytes }
            state.pressure.isReserveReached = disk.freeBytes < reserve
            state.pressure.isOverBudget = state.usedBytes >= node.maximumBytes(on: disk)
            return (before, state.pressure)
        }
        keepBallast(disk, reserve, events)
        guard before != now else { return }
        events(
            Event(
                now.isAny ? .warning : .info, "the node's disk space changed",
                [
                    "node.over_budget": String(now.isOverBudget), "disk.reserve_reached": String(now.isReserveReached),
                    "disk.free_bytes": String(disk.freeBytes),
                ]))
    }

    /// A transaction that makes room met a full disk: gives the ballast back at once. From here on new points count as
    /// refused by the reserve, until a look sees that there is space again: the ballast is not for them.
    ///
    /// - Returns: false when there was nothing to give.
    func releaseBallast(_ events: EventSink) -> Bool {
        guard ballast.release() else { return false }
        state.withLock { $0.pressure.isReserveReached = true }
        events(Event(.error, "the disk is full: the ballast was released"))
        return true
    }

    private func keepBallast(_ disk: DiskSpace, _ reserve: Int64, _ events: EventSink) {
        if disk.freeBytes < ballast.bytes / 2 {
            _ = releaseBallast(events)
        } else if disk.freeBytes > reserve + ballast.bytes, !ballast.isHeld {
            _ = ballast.restore()
        }
    }
}
