import Forwarder
import WALStore

/// What the daemon counts while it works. What the spools know (the terms of the equation, ages, bytes) is read from
/// them when `/metrics` is asked: see `MetricsPage`.
///
/// Labels are bounded: `tenant` and `backend` are config keys, `source` is an ingest's name, `code` an HTTP status or a
/// name from a fixed list.
final class Telemetry: Sendable {
    // MARK: Ingest
    let ingestRequests = CounterFamily(labels: ["tenant", "source", "code"]) { Counter() }
    let ingestPoints = CounterFamily(labels: ["tenant", "source"]) { Counter() }
    let ingestRefusedPoints = CounterFamily(labels: ["tenant", "source", "code"]) { Counter() }
    let ingestBytes = CounterFamily(labels: ["tenant", "source"]) { Counter() }
    /// From the request's last byte to its answer, fsync included.
    let ingestLatency = HistogramFamily(labels: ["source"]) { DurationHistogram() }

    private let pointsIn: MetricFamily<RateMeter>

    // MARK: Node
    let configReloads = CounterFamily(labels: ["code"]) { Counter() }
    let events = CounterFamily(labels: ["code"]) { Counter() }
    let time: TimeSource
    /// Wall clock, nanoseconds since the epoch.
    let startedAt: Int64

    init(time: TimeSource = .system) {
        self.time = time
        startedAt = time.wall()
        pointsIn = MetricFamily(labels: ["tenant"]) { [time] in RateMeter(now: time.boot()) }
    }

    /// Counts one request that was answered, one scrape, or what a part of a request brought.
    ///
    /// - Parameters:
    ///   - tenant: empty while nobody knows whose it was.
    ///   - status: nil for a part of a request: the request is counted once, when it is answered.
    func ingested(
        tenant: String, source: String, status: Int?, points: Int, refusals: [(reason: String, points: Int)],
        bytes: Int, nanoseconds: Int64
    ) {
        if let status {
            ingestRequests.with(tenant, source, String(status)).add()
            ingestLatency.with(source).record(nanoseconds: nanoseconds)
        }
        ingestBytes.with(tenant, source).add(bytes)
        ingestPoints.with(tenant, source).add(points)
        for refusal in refusals { ingestRefusedPoints.with(tenant, source, refusal.reason).add(refusal.points) }
        if points > 0 { pointsIn.with(tenant).add(points, now: time.boot()) }
    }

    /// Points a second that a tenant sends, averaged over about a minute.
    func pointsPerSecond(tenant: String) -> Double { pointsIn.with(tenant).perSecond(now: time.boot()) }

    /// Forgets what is labelled with a tenant that is no longer there.
    func forget(tenantsExcept kept: Set<String>) {
        let isGone: ([String]) -> Bool = { !$0[0].isEmpty && !kept.contains($0[0]) }
        for family in [ingestRequests, ingestPoints, ingestRefusedPoints, ingestBytes] { family.remove(where: isGone) }
        pointsIn.remove(where: isGone)
    }
}
