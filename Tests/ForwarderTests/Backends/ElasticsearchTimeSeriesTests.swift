import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// Time series data streams. <https://www.elastic.co/docs/manage-data/data-store/data-streams/time-series-data-stream-tsds>
@Suite(.timeLimit(.minutes(5)))
struct ElasticsearchTimeSeriesTests {
    private func make(_ server: BulkServer, _ values: [String: String] = [:]) throws -> any Backend {
        let usual = [
            "url": server.url, "data_stream": "metrics-all", "install_template": "true", "time_series": "true",
        ]
        return try BackendFixture.make("elasticsearch", usual.merging(values) { $1 })
    }

    private let start: Int64 = 1_790_000_000_000_000_000

    @Test func `it makes the ids itself, and a resend is already there, after a rollover too`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        let backend = try make(server)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]))
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        server.rollOver("metrics-all")
        guard case .partly(let items) = await BackendFixture.deliver(backend, chunk) else {
            Issue.record("three conflicts")
            return
        }
        #expect(items.count == 3 && items.allSatisfy { $0.verdict == .alreadyThere })
        #expect(server.documents(in: "metrics-all").count == 3)
        #expect(server.faults.isEmpty)
    }

    /// What docs/guarantees.md says of both.
    @Test(arguments: [false, true])
    func `a replay after a rollover doubles a data stream, and no time series data stream`(_ isTimeSeries: Bool)
        async throws
    {
        let server = try BulkServer()
        defer { server.stop() }
        let backend = try make(server, ["time_series": "\(isTimeSeries)"])
        let run = try SpoolRun()
        let ledger = try await run.deliver([BackendFixture.samples([1, 2, 3])], through: backend)
        #expect(ledger.deliveredPoints == 3)
        server.rollOver("metrics-all")
        _ = try await run.replay(through: backend)
        let documents = server.documents(in: "metrics-all")
        #expect(documents.count == (isTimeSeries ? 3 : 6))
        #expect(Set(documents.map(\.id)).count == 3)
    }

    @Test func `two points are one document only if they are one point`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        let backend = try make(server)
        var batch = Batch()
        let id = BackendFixture.series("up", [("a.b", "x")], in: &batch)
        // Its label is spelled like the other's in a document.
        let other = BackendFixture.series("up", [("a_b", "x")], in: &batch)
        for series in [id, other] {
            // Within one millisecond.
            for time in [start, start + 1, start + 2] {
                batch.points.appendFloat64(series: series, time: time, bits: (1.5).bitPattern)
            }
        }
        batch.explicitHistograms.append(ExplicitHistogram(count: 1, sumBits: nil, bounds: [], bucketCounts: [1]))
        batch.points.append(series: id, time: start, kind: .explicitHistogram, bits: 0)
        for tenant in ["acme", "other"] {
            let chunk = BackendFixture.chunk(batch, tenant: tenant)
            #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        }
        #expect(server.documents(in: "metrics-all").count == 14)
        #expect(server.conflicts == 0)
    }

    @Test func `random points are as many documents as without it`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        var random = SeededGenerator.fresh()
        let chunk = BackendFixture.chunk(RandomBatch.make(points: 300, series: 30, using: &random))
        let plain = try BackendFixture.make("elasticsearch", ["url": server.url, "index": "plain"])
        for backend in [plain, try make(server)] { _ = await BackendFixture.deliver(backend, chunk) }
        let count = server.documents(in: "plain").count
        #expect(count > 0 && server.documents(in: "metrics-all").count == count, "seed \(random.seed)")
    }

    @Test func `a backlog of days is taken by a stream that was made for it, and what is older is dead`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        let now = start + 8 * 86_400_000_000_000
        server.change { [now] in $0.now = now }
        var batch = Batch()
        let id = BackendFixture.series("up", [], in: &batch)
        for days in [8, 6, 1, 0] as [Int64] {
            batch.points.appendFloat64(series: id, time: now - days * 86_400_000_000_000, bits: (1.5).bitPattern)
        }
        guard case .partly(let items) = await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch))
        else {
            Issue.record("one point is older than 7 d")
            return
        }
        #expect(items.map(\.runs) == [[LeasedRun(piece: 0, ordinals: 0..<1)]])
        guard case .dead(let reason)? = items.first?.verdict else {
            Issue.record("it will not get younger")
            return
        }
        #expect(reason.excerpt.contains("outside of ranges of currently writable indices"))
        #expect(server.documents(in: "metrics-all").count == 3)
    }

    @Test func `ids for a stream that makes them itself hold the lane`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        _ = await BackendFixture.deliver(try make(server), BackendFixture.chunk(BackendFixture.samples([1])))
        let plain = try BackendFixture.make("elasticsearch", ["url": server.url, "data_stream": "metrics-all"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([2], name: "other"))
        guard case .partly(let items) = await BackendFixture.deliver(plain, chunk),
            case .hold(let reason)? = items.first?.verdict
        else {
            Issue.record("every document would be refused")
            return
        }
        #expect(reason.contains("time_series mode"))
    }

    @Test(arguments: ["8.6.2", "7.17.0"])
    func `a cluster that is too old for it holds`(_ version: String) async throws {
        let server = try BulkServer()
        defer { server.stop() }
        server.change { $0.version = version }
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        guard case .hold(let reason) = await BackendFixture.deliver(try make(server), chunk) else {
            Issue.record("\(version) is too old")
            return
        }
        #expect(reason.contains("\(version) is too old"))
        // Who may not ask leaves it to the cluster.
        server.change { $0.maySeeCluster = false }
        #expect(await BackendFixture.deliver(try make(server), chunk) == .delivered)
    }

    @Test func `what the failure store took is delivered where the config says so`() async throws {
        var behaviour = BulkServer.Behaviour()
        behaviour.dataStreams = ["metrics-all"]
        behaviour.usesFailureStore = true
        behaviour.maximumFields = 0
        let server = try BulkServer(behaviour)
        defer { server.stop() }
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]))
        let values = ["url": server.url, "data_stream": "metrics-all"]
        let refused = try BackendFixture.make("elasticsearch", values)
        guard case .partly(let items) = await BackendFixture.deliver(refused, chunk) else {
            Issue.record("they are in no stream")
            return
        }
        #expect(items.count == 2)
        let delivered = try BackendFixture.make("elasticsearch", values.merging(["failure_store": "delivered"]) { $1 })
        #expect(await BackendFixture.deliver(delivered, chunk) == .delivered)
        #expect(server.failureStore.count == 4)
    }
}
