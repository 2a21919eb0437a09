import Forwarder
import Metrics
import WALStore

/// The `drain` and `redrain` steps: a backlog of a dozen scrapes in a store of its own, leased as a lane that is behind
/// leases it, made into remote write requests, and given back: it is the same lease each time.
struct CountedDrain {
    private let backend: PrometheusRemoteWrite
    private let folder: String
    private static let tenant = "default"
    private static let backendName = "sink"

    /// Scrapes of which the first rows say all their labels themselves; they are settled before anything is counted.
    static let firstScrapes = 4
    /// Fewer points than a merged row may have.
    static let scrapes = 12
    /// Of a request, as the remote-write backend has them.
    private static let requestPoints = 10_000

    /// - Parameters:
    ///   - appends: one commit each, of `firstScrapes` and `scrapes`.
    ///   - isRepacked: the backlog is merged to one row first.
    ///   - times: how often it is drained.
    static func run(_ appends: [AppendRequest], isRepacked: Bool, times: Int, in parent: String)
        async throws(BenchFailure)
        -> CountedResult
    {
        let folder = try BenchFolder.make(in: parent)
        defer { BenchFolder.remove(folder) }
        do throws(SpoolError) {
            let drain = CountedDrain(backend: try backend(), folder: folder)
            try await drain.fill(appends)
            if isRepacked { try await drain.repack() }
            return try await drain.repeated(times, points: appends.reduce(0) { $0 + $1.decoded.batch.points.count })
        } catch {
            throw BenchFailure("a backlog does not drain: \(error)")
        }
    }

    private static func backend() throws(SpoolError) -> PrometheusRemoteWrite {
        let url = SettingsNode(.scalar("http://127.0.0.1:9/api/v1/write"), line: 1)
        do throws(SettingsError) {
            return try PrometheusRemoteWrite(
                name: backendName,
                settings: Settings(SettingsNode(.map([("url", 1, url)]), line: 1), path: "backends.\(backendName)"))
        } catch { throw SpoolError(.misuse, "the backend is not made: \(error)") }
    }

    /// A store anew each time, so that nothing of the step before is in memory.
    ///
    /// - Parameter ahead: its clock, nanoseconds.
    private func store(ahead: Int64 = 0) async throws(SpoolError) -> WALStore {
        var time = TimeSource.system
        time.boot = { TimeSource.system.boot() + ahead }
        let store = try WALStore(
            directory: "\(folder)/data", node: NodeConfiguration(), time: time, upkeepInterval: nil, events: { _ in })
        let backend = BackendRegistration(name: Self.backendName, type: PrometheusRemoteWrite.type)
        try await store.configure([SpoolConfiguration(tenant: Self.tenant, backends: [backend])])
        return store
    }

    private func fill(_ appends: [AppendRequest]) async throws(SpoolError) {
        let store = try await store()
        for request in appends { _ = try await CountedCommits.append(request, to: store) }
        await store.close()
    }

    /// An hour later.
    private func repack() async throws(SpoolError) {
        let store = try await store(ahead: 3600 * 1_000_000_000)
        _ = try await store.withSpool(Self.tenant) { (spool) async throws(SpoolError) in try await spool.status() }
        await store.maintain()
        let merged = store.repacked.mergedRows
        await store.close()
        guard merged > 0 else { throw SpoolError(.misuse, "nothing was merged") }
    }

    private func repeated(_ times: Int, points: Int) async throws(SpoolError) -> CountedResult {
        let store = try await store()
        let first = points / (Self.firstScrapes + Self.scrapes) * Self.firstScrapes
        let result = try await store.withSpool(Self.tenant) { [backend] (spool) async throws(SpoolError) in
            try await Self.settle(first, of: spool)
            var result = CountedResult()
            for _ in 0..<times {
                guard let lease = try await Self.lease(points - first, of: spool) else { break }
                Self.encode(lease, for: backend, &result)
                await spool.release(lease)
            }
            return result
        }
        await store.close()
        return result
    }

    private static func lease(_ points: Int, of spool: Spool) async throws(SpoolError) -> Lease? {
        try await spool.lease(backend: backendName, limit: LeaseLimit(points: points, isMerged: true))
    }

    private static func settle(_ points: Int, of spool: Spool) async throws(SpoolError) {
        guard let lease = try await lease(points, of: spool) else { return }
        let delivered = lease.pieces.indices.map {
            Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered)
        }
        let settlement = Settlement(parts: delivered, attempts: 1, status: 204, firstAttemptAt: 0)
        try await spool.settle(lease, settlement, mayWait: false)
    }

    private static func encode(_ lease: Lease, for backend: PrometheusRemoteWrite, _ result: inout CountedResult) {
        for shard in SeriesShard.divide(lease, points: requestPoints, for: backend) {
            var request = EncodedRequest()
            let chunk = Chunk(tenant: tenant, pieces: lease.pieces, runs: shard.runs, series: shard.series)
            backend.encode(chunk, into: &request)
            result.requests += 1
            result.samples += request.points
            result.bytes += request.body.count
        }
    }
}
