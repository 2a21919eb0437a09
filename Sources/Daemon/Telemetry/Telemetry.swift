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

    // MARK: Scrape
    let scrapes = CounterFamily(labels: ["tenant", "code"]) { Counter() }
    let scrapeLatency = HistogramFamily(labels: ["tenant"]) { DurationHistogram() }

    // MARK: Delivery
    /// Requests sent, apart from points: a point may be sent twice. `code` is the outcome's name.
    let deliveryRequests = CounterFamily(labels: ["tenant", "backend", "code"]) { Counter() }
    let deliverySentPoints = CounterFamily(labels: ["tenant", "backend"]) { Counter() }
    let deliverySentBytes = CounterFamily(labels: ["tenant", "backend"]) { Counter() }
    let deliveryLatency = HistogramFamily(labels: ["backend"]) { DurationHistogram() }

    // MARK: Node
    let configReloads = CounterFamily(labels: ["code"]) { Counter() }
    let events = CounterFamily(labels: ["code"]) { Counter() }
    let time: TimeSource
    /// Wall clock, nanoseconds since the epoch.
    let startedAt: Int64

    init(time: TimeSource = .system) {
        self.time = time
        startedAt = time.wall()
    }

    /// Counts one answered ingest request.
    func ingested(
        tenant: String, source: String, status: Int, points: Int, refusals: [(reason: String, points: Int)] = [],
        bytes: Int, took: Duration
    ) {
        ingestRequests.with(tenant, source, String(status)).add()
        if points > 0 { ingestPoints.with(tenant, source).add(points) }
        if bytes > 0 { ingestBytes.with(tenant, source).add(bytes) }
        for refusal in refusals { ingestRefusedPoints.with(tenant, source, refusal.reason).add(refusal.points) }
        ingestLatency.with(source).record(took)
    }

    /// Forgets what is labelled with a tenant that is no longer there.
    func forget(tenantsExcept kept: Set<String>) {
        for family in [
            ingestRequests, ingestPoints, ingestRefusedPoints, ingestBytes, scrapes, deliveryRequests,
            deliverySentPoints, deliverySentBytes,
        ] {
            family.remove { !$0[0].isEmpty && !kept.contains($0[0]) }
        }
        scrapeLatency.remove { !kept.contains($0[0]) }
    }
}
