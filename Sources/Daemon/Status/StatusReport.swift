import Forwarder
import WALStore

/// The node at one moment: what `status` shows and `/metrics` exposes.
struct StatusReport: Sendable {
    struct Backend: Sendable {
        var ledger: BackendLedger
        var state: LaneState
        var pointsInFlight = 0
        var pointsPerSecond = 0.0
        /// Until nothing is pending, at the rates of the last minute; nil while it does not get less.
        var secondsToDrained: Double?
    }
    struct Tenant: Sendable {
        var spool: SpoolStatus
        var pointsPerSecond = 0.0
        /// Until the budget is used up; nil while it does not grow.
        var secondsToFull: Double?
        var backends: [Backend]
        /// Why its spool cannot be opened at present: its requests are answered with 503, and nothing of it is delivered.
        var problem: String?
        /// False of a spool that was not closed and that no node has looked at since: these are the numbers of the last
        /// summary before.
        var isCurrent = true
        /// For so long the disk has kept its spool waiting, so that the numbers are what was known before; nil while it
        /// answers.
        var stalledSeconds: Double?
    }
    /// What a lane does, in the words of the command's output.
    struct LaneState: Sendable, Equatable {
        /// `ok`, `backing_off`, `held`, `detached`, `stopped`.
        var name: String
        var reason = ""
        /// When it tries again: wall clock, nanoseconds; 0 when there is no such time.
        var nextAttemptAt: Int64 = 0
        static let stopped = LaneState(name: "stopped")
    }

    struct Space: Sendable {
        /// What the folder takes, and what it may.
        var usedBytes: Int64
        var maximumBytes: Int64
        /// Until the budget is used up or the free-space reserve is reached; nil while nothing grows.
        var secondsToFull: Double?
        /// What has been merged since the start.
        var repacked = RepackTally()
    }

    var isRunning: Bool
    /// Of a node that runs and does not answer: its process, 0 when that is not known. The numbers are what it wrote last.
    var silentProcess: Int?
    var configFile: String?
    var dataDirectory: String
    var listen: String?
    var uptimeSeconds: Double?
    var disk: DiskSpace?
    /// Of a node that does not run: when its numbers were written, nanoseconds since the epoch.
    var writtenAt: Int64?
    /// The longest that one commit, or other work on a spool, has taken since the start.
    var longestWriteSeconds: Double?
    /// What fires, and who was told; nil where the config names no Alertmanager.
    var alerts: AlertStatus?
    /// The data folder's share of the disk; nil for a node that does not run.
    var space: Space?
    var tenants: [Tenant]
}

extension StatusReport.LaneState {
    /// - Parameter lane: nil when no worker runs: the ledger's last word then counts.
    init(_ ledger: BackendLedger, _ lane: LaneStatus?) {
        if ledger.isDetached {
            let points = ledger.pendingPoints
            let backlog =
                points > 0
                ? "it is still owed \(Amount.count(points)) points; \(BacklogOfNobody.wayOut(ledger.name))"
                : "nothing is owed to it"
            self.init(name: "detached", reason: "no longer in the config; \(backlog)")
            return
        }
        switch lane?.state {
        case .ok: self.init(name: "ok")
        case .backingOff(let until):
            self.init(name: "backing_off", reason: lane?.lastError ?? "", nextAttemptAt: until)
        case .held(let because, let probe): self.init(name: "held", reason: because, nextAttemptAt: probe)
        case nil:
            self.init(name: ledger.retry.mode.rawValue, reason: ledger.retry.reason)
            nextAttemptAt = ledger.retry.nextAttemptAt
        }
    }
}

extension StatusReport.Tenant {
    /// - Parameter pointsIn: points a second that come in.
    init(_ spool: SpoolStatus, lanes: [LaneStatus], pointsIn: Double) {
        self.spool = spool
        pointsPerSecond = pointsIn
        backends = spool.backends.map { ledger in
            let lane = lanes.first { $0.tenant == spool.tenant && $0.backend == ledger.name }
            // What `drop_newest` turned away had no place in the spool; it was owed all the same, and is lost.
            var ledger = ledger
            if !ledger.isDetached {
                ledger.owedPoints += spool.droppedAtIngestPoints
                ledger.lostPoints += spool.droppedAtIngestPoints
            }
            var backend = StatusReport.Backend(ledger: ledger, state: StatusReport.LaneState(ledger, lane))
            backend.pointsInFlight = lane?.pointsInFlight ?? 0
            backend.pointsPerSecond = lane?.pointsPerSecond ?? 0
            if ledger.pendingPoints == 0 {
                backend.secondsToDrained = 0
            } else if backend.pointsPerSecond > pointsIn {
                backend.secondsToDrained = Double(ledger.pendingPoints) / (backend.pointsPerSecond - pointsIn)
            }
            return backend
        }
        // The growth that the spool itself has seen counts, once it has seen some.
        secondsToFull = spool.secondsToFull ?? growth(pointsIn)
    }

    /// Whatever its lanes did last, they deliver nothing now. One that an operator must act on stays that.
    mutating func cannotBeOpened(_ reason: String) {
        problem = reason
        for index in backends.indices where !["detached", "held"].contains(backends[index].state.name) {
            backends[index].state = StatusReport.LaneState(name: "backing_off", reason: "its spool cannot be opened")
            backends[index].secondsToDrained = nil
        }
    }

    /// What comes in faster than the slowest backend takes it stays, at the bytes a point that it takes now.
    private func growth(_ pointsIn: Double) -> Double? {
        guard let maximum = spool.maximumBytes else { return nil }
        let used = spool.databaseBytes - spool.freePageBytes + spool.walBytes
        let room = Double(max(0, maximum - used))
        guard room > 0 else { return 0 }
        guard
            let slowest = backends.filter({ !$0.ledger.isDetached }).min(by: { $0.pointsPerSecond < $1.pointsPerSecond }
            ),
            slowest.ledger.pendingPoints > 0, pointsIn > slowest.pointsPerSecond
        else { return nil }
        let bytesPerPoint = Double(slowest.ledger.pendingBytes) / Double(slowest.ledger.pendingPoints)
        guard bytesPerPoint > 0 else { return nil }
        return room / (bytesPerPoint * (pointsIn - slowest.pointsPerSecond))
    }
}
