import Synchronization
import WALStore

/// Replay jobs: a lane each while they run, beside the lanes of what is owed.
extension Forwarder {
    /// Looks at a tenant's jobs: those that run get a lane, the lanes of others end after their attempt. To be called after
    /// each change of a job; at start, and after a reload, it is done when a tenant has work.
    public func followReplays(tenant: String) async {
        guard let source = context.source as? any ReplaySource else { return }
        let ticket = state.withLock { $0.replays.ticket() }
        do throws(SpoolError) {
            let jobs = try await source.replays(tenant: tenant)
            for lane in state.withLock({ $0.follow(jobs, of: tenant, ticket, source) }) { lane.notify(context) }
        } catch {
            // The next notice of work looks again.
            state.withLock { $0.replays.forget(tenant) }
            context.events(
                Event(
                    .warning, "a tenant's replays are not known yet",
                    ["tenant": tenant, "error": error.description]))
        }
    }

    /// Of the jobs that have a lane, by number.
    public func replayStatus(tenant: String) -> [Int64: LaneStatus] {
        let lanes = state.withLock { $0.replays.lanes[tenant] ?? [:] }
        let (now, wall) = (context.time.boot(), context.time.wall())
        return lanes.compactMapValues { lane in
            lane.state.withLock { $0.isRemoved ? nil : $0.status(now: now, wall: wall) }
        }
    }
}

/// The lanes of replays.
struct ReplayLanes: Sendable {
    /// By tenant, then job.
    var lanes: [String: [Int64: Lane]] = [:]
    /// Tenants that were looked at since the start, or the last reload.
    private var known: Set<String> = []
    private var lastTicket: UInt64 = 0
    private var applied: [String: UInt64] = [:]

    var ordered: [Lane] {
        lanes.sorted { $0.key < $1.key }.flatMap { $0.value.sorted { $0.key < $1.key }.map(\.value) }
    }

    /// - Returns: whether nobody has looked yet.
    mutating func notice(_ tenant: String) -> Bool { known.insert(tenant).inserted }
    mutating func forget(_ tenant: String) { known.remove(tenant) }
    mutating func forgetAll() { known = [] }

    mutating func ticket() -> UInt64 {
        lastTicket += 1
        return lastTicket
    }

    /// - Returns: whether what was asked for with this ticket is the newest that is known.
    mutating func isNews(_ ticket: UInt64, of tenant: String) -> Bool {
        guard ticket > applied[tenant] ?? 0 else { return false }
        applied[tenant] = ticket
        return true
    }
}

extension Forwarder.State {
    /// - Returns: lanes that are to look for work.
    mutating func follow(
        _ jobs: [ReplayJob], of tenant: String, _ ticket: UInt64, _ source: any ReplaySource
    ) -> [Lane] {
        guard isRunning, replays.isNews(ticket, of: tenant) else { return [] }
        var left = replays.lanes[tenant] ?? [:]
        var wanted: [Lane] = []
        for job in jobs where job.state == .running {
            guard let route = lanes[tenant]?[job.backend]?.state.withLock({ $0.isRemoved ? nil : $0.route }) else {
                continue
            }
            // Kept although it had been removed: while its last attempt runs, no second worker may start.
            if let lane = left.removeValue(forKey: job.id) {
                if lane.state.withLock({ $0.isRemoved }) { lane.reconfigure(route) }
                wanted.append(lane)
            } else {
                let pace = ReplayPace(pointsPerSecond: job.pointsPerSecond)
                let lane = Lane(route, ReplayDeliveries(source: source, job: job.id), pace: pace)
                replays.lanes[tenant, default: [:]][job.id] = lane
                wanted.append(lane)
            }
        }
        for (id, lane) in left {
            lane.remove()
            if lane.state.withLock({ !$0.isRunning }) { replays.lanes[tenant]?[id] = nil }
        }
        return wanted
    }

    /// After a reload: a job goes on with the new backend; without one its lane ends, and it waits.
    mutating func configureReplays() {
        for (tenant, jobs) in replays.lanes {
            for (_, lane) in jobs where lane.state.withLock({ !$0.isRemoved }) {
                if let route = lanes[tenant]?[lane.backend]?.state.withLock({ $0.isRemoved ? nil : $0.route }) {
                    lane.reconfigure(route)
                } else {
                    lane.remove()
                }
            }
        }
        replays.forgetAll()
    }
}
