import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Daemon

/// A store whose tenants keep a chain, and an anchorer whose time is a count of rounds.
final class AnchoringNode: Sendable {
    let fixture: IngestFixture
    let key: ChainKey
    let problems = Recorder<Event>()
    /// Whether anchors find no room.
    let isFull: Switch
    private let anchorer: Anchorer
    private let stored: Counter
    private let sleeps: Counter
    private let ticks = AsyncStream<Void>.makeStream()

    /// Counts up, and can be awaited.
    final class Counter: Sendable {
        private let count = Mutex(0)
        private let seen = Recorder<Int>()
        func raise() {
            seen.record(
                count.withLock { count in
                    count += 1
                    return count
                })
        }
        var value: Int { count.withLock { $0 } }
        func reaches(_ value: Int) async { await seen.first { $0 >= value } }
    }
    final class Switch: Sendable {
        private let state = Mutex(false)
        var isOn: Bool { state.withLock { $0 } }
        func set(_ isOn: Bool) { state.withLock { $0 = isOn } }
    }

    init(
        tenants: [String] = ["default"], keepsChain: @Sendable (SpoolConfiguration) -> Bool = { _ in true }
    ) async throws {
        let (stored, sleeps, isFull, key) = (Counter(), Counter(), Switch(), ChainKey.random())
        (self.stored, self.sleeps, self.isFull, self.key) = (stored, sleeps, isFull, key)
        fixture = try await IngestFixture(
            tenants: tenants, upkeepInterval: nil,
            append: { store in
                { request, tenant, completion in
                    if isFull.isOn { return completion(.failure(SpoolError(.full, "no room"))) }
                    store.append(request, tenant: tenant) { result in
                        completion(result)
                        stored.raise()
                    }
                }
            }, spools: { if keepsChain($0) { $0.chain = key } })
        let (stream, problems) = (ticks.stream, problems)
        anchorer = Anchorer(store: fixture.store, ingest: fixture.ingest, events: { problems.record($0) }) { _ in
            sleeps.raise()
            for await _ in stream { return }
            throw CancellationError()
        }
        let settings = try ConfigurationTests.parse(
            "chain: { key_file: /none, anchor: { labels: { site: harbour } } }\n" + ConfigurationTests.backend)
        anchorer.start(try #require(settings.chain.anchor))
        await sleeps.reaches(1)
    }

    /// The anchorer's time comes; returns when it waits for the next.
    func round() async {
        let before = sleeps.value
        ticks.continuation.yield()
        await sleeps.reaches(before + 1)
    }

    /// Returns when so many requests were stored and answered, anchors among them.
    func hasStored(_ count: Int) async { await stored.reaches(count) }

    /// How many requests were stored, when what one more brings about is over.
    var storedCount: Int { stored.value }

    func append(_ value: Int, to tenant: String = "default") async throws {
        var request = DecodedRequest()
        var builder = LabelBuilder()
        builder.add("__name__", "depth")
        try builder.finish()
        let series = builder.canonical.withUnsafeBytes { request.batch.series.intern($0) }
        request.batch.points.appendFloat64(
            series: series, time: IngestFixture.arrival, bits: Double(value).bitPattern)
        let arrival = Arrival(source: "test", peer: "", requestID: "r\(value)", bodyBytes: 0)
        let (ingest, decoded) = (fixture.ingest, request)
        let result = await withCheckedContinuation { done in
            ingest.store(decoded, arrival, tenant: tenant) { done.resume(returning: $0) }
        }
        _ = try result.get()
    }

    /// What is owed of anchors.
    func anchors(_ tenant: String = "default") async throws -> [StoredPoint] {
        try await fixture.stored(tenant).filter { $0.name.hasPrefix("holdfast_chain_anchor_") }
    }

    /// Settles all that is owed, as delivered.
    ///
    /// - Returns: how many points.
    func deliver() async throws -> Int {
        try await fixture.store.withSpool("default") { spool async throws(SpoolError) in
            var points = 0
            while let lease = try await spool.lease(backend: "sink", limit: LeaseLimit(points: 10_000)) {
                points += lease.pieces.reduce(0) { $0 + $1.ordinals.count }
                let parts = lease.pieces.indices.map {
                    Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered)
                }
                try await spool.settle(
                    lease, Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: IngestFixture.arrival))
            }
            return points
        }
    }

    func backUp(to directory: String) async throws {
        let request = BackupRequest(
            directory: directory, tenants: [], bytesPerSecond: nil, node: "here", programVersion: "1")
        #expect(await BackupJob(request, of: fixture.store).run().phase == .done)
    }

    func close() async {
        await anchorer.stop()
        await fixture.close()
    }

    /// What the chain says of a stopped spool, or of a copy of it.
    func verify(_ path: String? = nil, anchors: [ChainAnchor] = []) throws -> ChainAnswer {
        try ChainVerifier.verify(
            try AuditFile.copied(path ?? fixture.folder.path + "/data/tenants/default/spool.db"), key: key,
            expecting: ChainExpectation(anchors: anchors))
    }
}

/// What a Prometheus says of points that it has, to a question about a range.
enum PrometheusAnswer {
    static func matrix(_ points: [StoredPoint]) -> String {
        let series = Dictionary(grouping: points) { point in
            ([("__name__", point.name)] + point.labels.sorted { $0.key < $1.key })
                .map { "\"\($0.0)\":\"\($0.1)\"" }.joined(separator: ",")
        }
        let result = series.map { labels, points in
            let values = points.map { "[\(Double($0.time) / 1e9),\"\(Int64($0.value))\"]" }
            return "{\"metric\":{\(labels)},\"values\":[\(values.joined(separator: ","))]}"
        }
        return
            "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[\(result.joined(separator: ","))]}}"
    }
}
