import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Replays over real spools on disk, to a real HTTP server.
@Suite(.timeLimit(.minutes(10)))
struct ReplayDeliveryTests {
    private let folder: TemporaryFolder
    private let settled = Signal()

    init() throws { folder = try TemporaryFolder() }

    @Test func `a job survives faults and a restart beside live traffic, and each point has one end`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        try await run(server) { store, forwarder in
            for first in stride(from: 0, to: 800, by: 200) { try await append(first..<first + 200, to: store) }
            try await drained(store)
            let sent = server.requests.count
            // Every third request is reset after it was read.
            server.answer { _, number in number % 3 == 2 ? .reset : .reply(204) }
            _ = try await start(store, forwarder)
            await server.received(sent + 4)
            await forwarder.stop(grace: .seconds(5))
        }
        let before = server.requests.count
        try await run(server) { store, forwarder in
            // The job is found by itself, and live points pass it.
            try await append(800..<1100, to: store)
            let job = try await done(store, 1)
            #expect(job.counts.sent == 800 && job.counts.selected == 800)
            #expect(job.state == .done)
            try await drained(store)
            let books = try await ledger(store)
            #expect(books.deliveredPoints == 1100 && books.balances)
            await forwarder.stop(grace: .seconds(5))
        }
        #expect(server.requests.count > before)
        var times: [Int: Int] = [:]
        for value in server.requests.flatMap(\.values) { times[value, default: 0] += 1 }
        #expect((0..<800).allSatisfy { times[$0] ?? 0 >= 2 }, "as live points, then once more")
        #expect((800..<1100).allSatisfy { times[$0] ?? 0 >= 1 })
        server.stop()
    }

    @Test func `what a backend refuses is the job's, and no dead letter`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        try await run(server) { store, forwarder in
            try await append(0..<150, to: store)
            try await drained(store)
            server.answer { request, _ in
                request.values.contains(7) || request.values.contains(8) ? .text(400, "no") : .reply(204)
            }
            let id = try await start(store, forwarder)
            let job = try await done(store, id)
            #expect(job.counts.dead == 2 && job.counts.sent == 148)
            let refusals = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.replayRefusals(id)
            }
            #expect(refusals.map(\.place) == [Place(1, 7)] && refusals.map(\.points) == [2])
            #expect(refusals.first?.reason.excerpt == "no")
            #expect(try await ledger(store).deadPoints == 0)
            await forwarder.stop(grace: .seconds(5))
        }
        server.stop()
    }

    @Test func `a paused job sends nothing until it is resumed`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        try await run(server) { store, forwarder in
            try await append(0..<1000, to: store)
            try await drained(store)
            // Each of its requests waits for the test.
            let gate = HTTPTestGate()
            server.answer { _, _ in .wait(gate, then: .reply(204)) }
            let sent = server.requests.count
            let id = try await start(store, forwarder)
            await server.received(sent + 1)
            try await set(store, forwarder, id, .paused)
            gate.open()
            while try await job(store, id).counts.sent == 0 { await settled.wait() }
            let paused = try await job(store, id)
            #expect(paused.state == .paused && paused.counts.sent == 100)
            #expect(server.requests.count == sent + 1)
            try await set(store, forwarder, id, .running)
            #expect(try await done(store, id).counts.sent == 1000)
            #expect(server.requests.count == sent + 10)
            await forwarder.stop(grace: .seconds(5))
        }
        server.stop()
    }

    @Test func `a pace is kept over requests of any length, and a request is a second's worth at most`() {
        var pace = ReplayPace(pointsPerSecond: 50)
        #expect(pace.maximumPoints == 50)
        pace.begins(at: 1_000_000_000)
        pace.took(points: 50)
        #expect(pace.nextAt == 2_000_000_000)
        // Begun late, by a slow backend: what was missed is not made up for.
        pace.begins(at: 10_000_000_000)
        pace.took(points: 10)
        pace.took(points: 15)
        #expect(pace.nextAt == 10_500_000_000)
        var free = ReplayPace(pointsPerSecond: nil)
        free.begins(at: 5)
        free.took(points: 1_000_000)
        #expect(free.nextAt == 0 && free.maximumPoints == .max)
    }

    @Test func `a lane with a pace waits between requests, and for each to be settled`() {
        var backend = LineBackend(url: "http://127.0.0.1:1")
        backend.traits.maximumPoints = 100
        let route = DeliveryRoute(tenant: "acme", name: "central", backend: backend)
        var state = LaneState(route, pace: ReplayPace(pointsPerSecond: 20))
        guard case .lease(let plan) = state.nextStep(now: 0, passesAfter: .zero) else {
            Issue.record("it leases at once")
            return
        }
        #expect(plan.points == 20 && plan.shards == 1 && !plan.takesBodies)
        guard case .wait = state.nextStep(now: 0, passesAfter: .zero) else {
            Issue.record("one request at a time")
            return
        }
        state.deliveries = 0
        state.settling = 1
        guard case .wait = state.nextStep(now: 0, passesAfter: .zero) else {
            Issue.record("what is being settled moves the cursor first")
            return
        }
        state.settled([Settlement.Part(LeasedRun(piece: 0, ordinals: 0..<20), .delivered)], now: 1)
        state.settling = 0
        guard case .sleep(let duration, _) = state.nextStep(now: 400_000_000, passesAfter: .zero) else {
            Issue.record("the second is not over")
            return
        }
        #expect(duration == .milliseconds(600))
    }

    // MARK: Fixture

    private func run(_ server: HTTPTestServer, _ body: (WALStore, Forwarder) async throws -> Void) async throws {
        let store = try WALStore(
            directory: folder.path, node: NodeConfiguration(), openWait: .seconds(3600), scheduling: .patient,
            events: { _ in })
        let source = WatchedStore(store: store, settled: settled)
        let forwarder = Forwarder(source: source, transport: HTTPTransport(), events: { _ in })
        try await store.configure([
            SpoolConfiguration(tenant: "acme", backends: [BackendRegistration(name: "central", type: "line")])
        ])
        let backend = ValueBackend(url: server.url)
        forwarder.configure([DeliveryRoute(tenant: "acme", name: "central", backend: backend)])
        forwarder.start()
        try await body(store, forwarder)
        await store.close()
    }

    private func append(_ values: Range<Int>, to store: WALStore) async throws {
        var decoded = DecodedRequest()
        var builder = LabelBuilder()
        builder.add("__name__", "m")
        try builder.finish()
        let id = builder.canonical.withUnsafeBytes { decoded.batch.series.intern($0) }
        for value in values {
            decoded.batch.points.appendFloat64(series: id, time: Int64(value), bits: UInt64(value))
        }
        let request = AppendRequest(
            decoded: decoded, source: "test", peer: "127.0.0.1", requestID: "a request", bodyBytes: 1)
        let result = await withCheckedContinuation { continuation in
            store.append(request, tenant: "acme") { continuation.resume(returning: $0) }
        }
        _ = try result.get()
    }

    private func start(_ store: WALStore, _ forwarder: Forwarder) async throws -> Int64 {
        let job = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.startReplay(ReplayOrder(backend: "central", asked: "by a test"))
        }
        await forwarder.followReplays(tenant: "acme")
        return job.id
    }

    private func set(
        _ store: WALStore, _ forwarder: Forwarder, _ id: Int64, _ state: ReplayJob.State
    ) async throws {
        _ = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.setReplay(id, to: state, asked: "by a test")
        }
        await forwarder.followReplays(tenant: "acme")
    }

    private func job(_ store: WALStore, _ id: Int64) async throws -> ReplayJob {
        let jobs = try await store.replays(tenant: "acme")
        return try #require(jobs.first { $0.id == id })
    }

    private func done(_ store: WALStore, _ id: Int64) async throws -> ReplayJob {
        while true {
            let job = try await job(store, id)
            if job.state != .running { return job }
            await settled.wait()
        }
    }

    private func drained(_ store: WALStore) async throws {
        while try await ledger(store).pendingPoints > 0 { await settled.wait() }
    }

    private func ledger(_ store: WALStore) async throws -> BackendLedger {
        let status = try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.status() }
        return try #require(status.backends.first)
    }
}

/// A backend whose body is the values of its points, a line each.
private struct ValueBackend: Backend {
    static let type = "line"

    let url: String
    let traits = BackendTraits(keepsOrder: true, maximumPoints: 100, maximumBodyBytes: 1 << 20)

    init(name: String, settings: Settings) throws(SettingsError) { url = try settings.required("url") }
    init(url: String) { self.url = url }

    func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        for run in chunk.runs {
            let points = chunk.pieces[run.piece].batch.points
            for ordinal in run.ordinals { request.body += Array("\(points.bits[ordinal])\n".utf8) }
            request.points += run.ordinals.count
        }
        request.rawBytes = request.body.count
    }

    func send(_ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport) async -> Answer {
        await transport.perform(HTTPRequest(.post, url, body: request.body))
    }

    func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        switch answer {
        case .said(let outcome): return outcome
        case .failure(let failure): return .retry(after: nil, reason: failure.reason)
        case .response(let response):
            if response.status == 204 { return .delivered }
            let text = String(decoding: response.body, as: UTF8.self)
            let reason = DeadLetterReason(code: "refused", excerpt: text, status: response.status)
            return .refused(reason, meansAlreadyThere: false)
        }
    }
}

extension HTTPTestServer.Request {
    /// What a `ValueBackend` sent.
    fileprivate var values: [Int] { text.split(separator: "\n").compactMap { Int($0) } }
}
