import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Rules between a spool and its backend: real spools, real requests.
@Suite(.timeLimit(.minutes(5)))
struct RoutedDeliveryTests {
    private let folder: TemporaryFolder
    private let settled = Signal()

    init() throws { folder = try TemporaryFolder() }

    /// Series `m{n="0"}`, `m{n="1"}`, … in turn, each point with its number as value.
    private static func batch(_ values: Range<Int>, series: Int) -> Batch {
        var batch = Batch()
        var builder = LabelBuilder()
        for value in values {
            builder.reset()
            builder.add("__name__", "m")
            builder.add("n", "\(value % series)")
            do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
            let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
            batch.points.appendFloat64(
                series: id, time: 1_800_000_000_000_000_000 + Int64(value) * 1_000_000, bits: Double(value).bitPattern)
        }
        return batch
    }

    /// Odd ones are kept back, the others get a site and lose their number.
    private static func rules() throws -> RouteRules {
        RouteRules(
            drop: [try SeriesSelector.parse(#"{n=~".*[13579]"}"#)], externalLabels: [.init("site", "harbour")],
            relabel: [try RelabelRule(sourceLabels: ["n"], targetLabel: "id", replacement: "number $1")])
    }

    private func run(
        _ backend: any Backend, _ rules: RouteRules?, stuck: StuckRule = StuckRule(),
        _ body: (WALStore, Forwarder) async throws -> Void
    ) async throws -> BackendLedger {
        let store = try WALStore(
            directory: folder.path, node: NodeConfiguration(), openWait: .seconds(3600), scheduling: .patient,
            events: { _ in })
        try await store.configure([
            SpoolConfiguration(tenant: "acme", backends: [BackendRegistration(name: "central", type: "vendor")])
        ])
        var tuning = DeliveryTuning()
        tuning.backoff = Backoff(base: .milliseconds(1), cap: .milliseconds(5))
        tuning.stuck = stuck
        let context = DeliveryContext(
            source: WatchedStore(store: store, settled: settled), transport: HTTPTransport(), time: .system,
            sleep: { try await Task.sleep(for: $0) }, random: SeededGenerator.fresh(), tuning: tuning, events: { _ in })
        let forwarder = Forwarder(context: context)
        forwarder.configure([
            DeliveryRoute(tenant: "acme", name: "central", backend: backend, router: rules.map { SeriesRouter($0) })
        ])
        try await body(store, forwarder)
        await forwarder.stop(grace: .seconds(5))
        let ledger = try await store.ledger()
        await store.close()
        return ledger
    }

    private func drain(_ store: WALStore) async throws {
        while try await store.ledger().pendingPoints > 0 { await settled.wait() }
    }

    private func writer(_ url: String, points: Int, concurrency: Int) throws -> any Backend {
        try BackendFixture.make(
            "prometheus_remote_write", ["url": url, "max_points": "\(points)", "concurrency": "\(concurrency)"])
    }

    /// Labels and values that came, in order.
    private func received(_ server: HTTPTestServer) throws -> [(labels: String, value: Int)] {
        try server.requests.flatMap { request in
            let decoded = try PointServer.batch(in: request.body)
            return decoded.points.series.indices.map { ordinal -> (labels: String, value: Int) in
                let labels = decoded.series.withLabels(of: decoded.points.series[ordinal]) { bytes in
                    LabelIterator(bytes).map { "\($0.nameString)=\($0.valueString)" }.joined(separator: ",")
                }
                return (labels, Int(Double(bitPattern: decoded.points.bits[ordinal])))
            }
        }
    }

    @Test(arguments: [(1, 50), (8, 50), (8, 10_000)])
    func `what rules let through arrives under its new labels, and the rest is excluded`(
        concurrency: Int, points: Int
    ) async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        let ledger = try await run(
            try writer(server.url, points: points, concurrency: concurrency), try RoutedDeliveryTests.rules()
        ) { store, forwarder in
            // A backlog, so that leases of many requests go out in shards.
            for row in 0..<20 {
                try await store.append(RoutedDeliveryTests.batch(row * 100..<row * 100 + 100, series: 20))
            }
            forwarder.start()
            try await drain(store)
        }
        #expect(ledger.deliveredPoints == 1000)
        #expect(ledger.excludedPoints == 1000)
        #expect(ledger.balances)
        let all = try received(server)
        #expect(Set(all.map(\.value)) == Set(stride(from: 0, to: 2000, by: 2)))
        #expect(all.count == 1000)
        for (labels, value) in all {
            #expect(labels == "__name__=m,id=number \(value % 20),n=\(value % 20),site=harbour")
        }
        // Each series in its order.
        for number in stride(from: 0, to: 20, by: 2) {
            let values = all.filter { $0.value % 20 == number }.map(\.value)
            #expect(values == values.sorted(), "series \(number)")
        }
        server.stop()
    }

    @Test func `where rules keep everything back, nothing is sent`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        let nothing = RouteRules(match: [try SeriesSelector.parse("nobody")])
        let ledger = try await run(LineBackend(url: server.url), nothing) { store, forwarder in
            forwarder.start()
            for row in 0..<5 { try await store.append(RoutedDeliveryTests.batch(row * 10..<row * 10 + 10, series: 5)) }
            try await drain(store)
        }
        #expect(ledger.excludedPoints == 50)
        #expect(ledger.balances)
        #expect(server.requests.isEmpty)
        server.stop()
    }

    @Test func `a refused point is a dead letter with the labels that it came with`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.places.contains("1.6") ? .text(400, "bad point") : .reply(204)
        }
        let ledger = try await run(LineBackend(url: server.url), try RoutedDeliveryTests.rules()) { store, forwarder in
            try await store.append(RoutedDeliveryTests.batch(0..<20, series: 20))
            forwarder.start()
            try await drain(store)
            let letters = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.deadLetters()
            }
            let letter = try #require(letters.first)
            let point = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.deadLetterPoint(letter.id)
            }
            let labels = try #require(point).series.withLabels(of: 0) { bytes in
                LabelIterator(bytes).map { "\($0.nameString)=\($0.valueString)" }
            }
            #expect(labels == ["__name__=m", "n=6"])
        }
        #expect(ledger.deadPoints == 1)
        #expect(ledger.deliveredPoints == 9)
        #expect(ledger.excludedPoints == 10)
        #expect(ledger.balances)
        server.stop()
    }

    @Test func `points that a backend cannot carry are excluded beside those that rules keep back`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        var backend = LineBackend(url: server.url)
        backend.excludes = [0, 2, 4]
        let ledger = try await run(backend, try RoutedDeliveryTests.rules()) { store, forwarder in
            try await store.append(RoutedDeliveryTests.batch(0..<6, series: 6))
            try await store.append(RoutedDeliveryTests.batch(0..<10, series: 10))
            forwarder.start()
            try await drain(store)
        }
        #expect(ledger.deliveredPoints == 2)
        #expect(ledger.excludedPoints == 14)
        #expect(ledger.balances)
        server.stop()
    }

    @Test func `where rules let little through requests are filled with it, and never beyond what one may have`()
        async throws
    {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        var backend = LineBackend(url: server.url)
        (backend.traits.keepsOrder, backend.traits.concurrency, backend.traits.maximumPoints) = (false, 1, 50)
        let rules = RouteRules(match: [try SeriesSelector.parse(#"{n="0"}"#)])
        let ledger = try await run(backend, rules) { store, forwarder in
            // One point in twenty, then each.
            for row in 0..<40 {
                try await store.append(RoutedDeliveryTests.batch(row * 100..<row * 100 + 100, series: 20))
            }
            for row in 40..<48 {
                try await store.append(RoutedDeliveryTests.batch(row * 100..<row * 100 + 100, series: 1))
            }
            forwarder.start()
            try await drain(store)
        }
        #expect(ledger.deliveredPoints == 1000 && ledger.excludedPoints == 3800 && ledger.balances)
        let sizes = server.requests.map(\.places.count)
        #expect(sizes.allSatisfy { (1...50).contains($0) }, "\(sizes)")
        // Leases of what a request has would make 80 of the first part, and 16 of the second.
        #expect(sizes.count <= 40, "\(sizes)")
        #expect(Set(server.requests.flatMap(\.places)).count == 1000)
        server.stop()
    }

    @Test func `a lease is cut into runs of which so many points go out, whatever lies between them`() throws {
        var random = SeededGenerator.fresh()
        let router = SeriesRouter(RouteRules(drop: [try SeriesSelector.parse(#"{n=~".*[13579]"}"#)]))
        for _ in 0..<300 {
            var pieces: [LeasedPiece] = []
            for sequence in 0..<Int.random(in: 1...4, using: &random) {
                let first = Int.random(in: 0..<1000, using: &random)
                let count = Int.random(in: 0...30, using: &random)
                let series = Int.random(in: 1...12, using: &random)
                let batch = RoutedDeliveryTests.batch(first..<first + count, series: series)
                let start = Int.random(in: 0...count, using: &random)
                let ordinals = start..<Int.random(in: start...count, using: &random)
                pieces.append(
                    LeasedPiece(
                        places: PlaceRange(sequence: Int64(sequence), ordinals: 0..<count), batch: batch,
                        ordinals: ordinals, maybeSent: false))
            }
            let lease = Lease(id: LeaseID(life: 0, number: 0), backend: "central", lane: .live, pieces: pieces)
            let routed = router.route(lease)
            let points = Int.random(in: 1...20, using: &random)
            let (cuts, kept) = routed.cuts(points: points)
            let flat = cuts.flatMap { $0.flatMap { run in run.ordinals.map { [run.piece, $0] } } }
            let all = pieces.indices.flatMap { piece in pieces[piece].ordinals.map { [piece, $0] } }
            #expect(flat == all, "seed \(random.seed)")
            let sizes = cuts.map { routed.kept($0).points }
            #expect(sizes.reduce(0, +) == kept && kept == routed.kept(lease.allRuns).points, "seed \(random.seed)")
            #expect(sizes.dropLast().allSatisfy { $0 == points }, "only the last one may be short, seed \(random.seed)")
            #expect(sizes.last.map { $0 <= points } ?? all.isEmpty, "seed \(random.seed)")
            let heads = pieces.indices.filter { pieces[$0].ordinals.isEmpty }
            #expect(cuts.flatMap { $0.filter(\.ordinals.isEmpty).map(\.piece) } == heads, "seed \(random.seed)")
        }
    }

    /// More leases of nothing but points that rules keep back than are held while others are looked for.
    @Test func `a point that is answered 500 for ever is found, however much lies behind it that rules keep back`()
        async throws
    {
        let server = try HTTPTestServer { request, _ in
            request.places.contains("1.0") ? .text(500, "broken") : .reply(204)
        }
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 1
        let ledger = try await run(
            backend, try RoutedDeliveryTests.rules(), stuck: StuckRule(tries: 3, overAtLeast: .nanoseconds(1))
        ) { store, forwarder in
            try await store.append(RoutedDeliveryTests.batch(0..<1, series: 20))
            for _ in 0..<12 { try await store.append(RoutedDeliveryTests.batch(1..<2, series: 20)) }
            try await store.append(RoutedDeliveryTests.batch(2..<3, series: 20))
            forwarder.start()
            try await drain(store)
        }
        #expect(ledger.deadPoints == 1)
        #expect(ledger.excludedPoints == 12)
        #expect(ledger.deliveredPoints == 1)
        server.stop()
    }

    @Test func `metadata goes out where the first point of its row is kept back`() async throws {
        let lease = Lease(
            id: LeaseID(life: 0, number: 0), backend: "central", lane: .live,
            pieces: [
                LeasedPiece(
                    places: PlaceRange(Place(1, 0), Place(1, 3)), batch: RoutedDeliveryTests.withMetadata,
                    ordinals: 0..<3,
                    maybeSent: false)
            ])
        let rules = RouteRules(drop: [try SeriesSelector.parse(#"{n="0"}"#)])
        let routed = SeriesRouter(rules).route(lease)
        let all = [LeasedRun(piece: 0, ordinals: 0..<3)]
        #expect(routed.kept(all).map(\.ordinals) == [0..<0, 1..<3])
        #expect(routed.kept([LeasedRun(piece: 0, ordinals: 1..<3)]).map(\.ordinals) == [1..<3])
        let chunk = routed.chunk("acme", all)
        var request = EncodedRequest()
        try BackendFixture.make("prometheus_remote_write", ["url": "http://127.0.0.1:1"]).encode(chunk, into: &request)
        #expect(try PointServer.batch(in: request.body).metadata.map(\.family) == ["m"])
    }

    private static var withMetadata: Batch {
        var batch = batch(0..<3, series: 3)
        batch.metadata.append(MetricMetadata(family: "m", kind: .gauge, help: "words"))
        return batch
    }

    @Test func `a replay goes by the rules of today`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(204) }
        _ = try await run(LineBackend(url: server.url), try RoutedDeliveryTests.rules()) { store, forwarder in
            forwarder.start()
            try await store.append(RoutedDeliveryTests.batch(0..<10, series: 10))
            try await drain(store)
        }
        #expect(server.requests.flatMap(\.places) == ["1.0", "1.2", "1.4", "1.6", "1.8"])
        let only = RouteRules(match: [try SeriesSelector.parse(#"{n=~"[12]"}"#)])
        _ = try await run(LineBackend(url: server.url), only) { store, forwarder in
            let job = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.startReplay(ReplayOrder(backend: "central", asked: "by a test"))
            }
            forwarder.start()
            await forwarder.followReplays(tenant: "acme")
            while try await store.replays(tenant: "acme").first(where: { $0.id == job.id })?.state != .done {
                await settled.wait()
            }
            let counts = try #require(try await store.replays(tenant: "acme").first).counts
            #expect(counts.sent == 2)
            #expect(counts.excluded == 8)
        }
        #expect(server.requests.last.map(\.places) == ["1.1", "1.2"])
        server.stop()
    }
}

extension Lease {
    fileprivate var allRuns: [LeasedRun] { pieces.indices.map { LeasedRun(piece: $0, ordinals: pieces[$0].ordinals) } }
}
