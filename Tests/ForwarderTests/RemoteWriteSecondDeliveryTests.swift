import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Lanes over a real spool to a receiver of remote write that refuses what real ones refuse.
@Suite(.timeLimit(.minutes(10)))
struct RemoteWriteSecondDeliveryTests {
    private static let series = 10
    private let folder: TemporaryFolder
    private let settled = Signal()

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [RemoteWriteReceiver.Manner.blind, .firstOnly, .firstOnlyBadRequest])
    func `a backlog reaches one that knows only 1_0, each point once`(_ manner: RemoteWriteReceiver.Manner) async throws
    {
        let receiver = try RemoteWriteReceiver(manner)
        defer { receiver.stop() }
        let ledger = try await run(receiver, ["protocol": "auto"], scrapes: 200)
        #expect(ledger.deliveredPoints == 2000 && ledger.balances)
        #expect(receiver.points == 2000 && receiver.violations == [])
        let versions = receiver.versions
        // Requests of the first lease were under way together; none came after it was known.
        #expect(versions.contains(2) && versions.last == 1)
        #expect(versions.filter { $0 == 1 }.count >= 20)
    }

    @Test func `a backlog reaches one that knows 2_0, each point once`() async throws {
        let receiver = try RemoteWriteReceiver()
        defer { receiver.stop() }
        let ledger = try await run(receiver, ["protocol": "auto"], scrapes: 200)
        #expect(ledger.deliveredPoints == 2000 && ledger.balances)
        #expect(receiver.points == 2000 && receiver.violations == [])
        #expect(Set(receiver.versions) == [2])
    }

    @Test func `an error that was rolled back is tried again in the same form`() async throws {
        let receiver = try RemoteWriteReceiver(.broken)
        defer { receiver.stop() }
        let ledger = try await run(receiver, ["protocol": "auto"], scrapes: 5) {
            await receiver.http.received(3)
            receiver.become(.current)
        }
        #expect(ledger.deliveredPoints == 50 && receiver.points == 50)
        #expect(Set(receiver.versions) == [2])
    }

    @Test func `of a request of which a part is stored exactly the points at fault are dead letters`() async throws {
        let receiver = try RemoteWriteReceiver()
        defer { receiver.stop() }
        // Held already, and newer: what comes is out of order for this series.
        let backend = try backend(receiver, ["protocol": "2.0"])
        let newer = BackendFixture.samples([7], name: "up", from: 1_790_009_000_000_000_000)
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(newer)) == .delivered)
        receiver.refuse { $0.hasSuffix("number=5") }
        let ledger = try await run(receiver, ["protocol": "auto"], scrapes: 1)
        #expect(ledger.deadPoints == 2 && ledger.deliveredPoints == 8 && ledger.assumedPoints == 0)
        #expect(receiver.points == 1 + 8 && receiver.violations == [])
    }

    @Test func `of a request with several points a series what is not stored is assumed, and nothing goes out again`()
        async throws
    {
        let receiver = try RemoteWriteReceiver()
        defer { receiver.stop() }
        receiver.refuse { $0.hasSuffix("number=5") }
        let ledger = try await run(receiver, ["protocol": "2.0", "concurrency": "1"], scrapes: 10)
        #expect(ledger.assumedPoints == 100 && ledger.deadPoints == 0 && ledger.balances)
        #expect(receiver.points == 90 && receiver.versions == [2])
    }

    // MARK: Fixture

    private func backend(_ receiver: RemoteWriteReceiver, _ values: [String: String]) throws -> any Backend {
        let common = ["url": receiver.url, "max_points": "100"]
        return try BackendFixture.make("prometheus_remote_write", common.merging(values) { $1 })
    }

    /// Delivers scrapes of ten series, which are there before the lane is.
    private func run(
        _ receiver: RemoteWriteReceiver, _ values: [String: String], scrapes: Int,
        meanwhile: () async throws -> Void = {}
    ) async throws -> BackendLedger {
        let store = try WALStore(
            directory: folder.path, node: NodeConfiguration(), openWait: .seconds(3600), scheduling: .patient,
            events: { _ in })
        try await store.configure([
            SpoolConfiguration(
                tenant: "acme", backends: [BackendRegistration(name: "central", type: PrometheusRemoteWrite.type)])
        ])
        for scrape in 0..<scrapes { try await append(scrape, to: store) }
        let (clock, transport) = (JumpingClock(), HTTPTransport())
        let context = DeliveryContext(
            source: WatchedStore(store: store, settled: settled), transport: transport, time: clock.time,
            sleep: { duration in
                try Task.checkCancellation()
                clock.advance(duration)
                await Task.yield()
            },
            random: SeededGenerator.fresh(), tuning: DeliveryTuning(), events: { _ in })
        let forwarder = Forwarder(context: context)
        forwarder.configure([
            DeliveryRoute(tenant: "acme", name: "central", backend: try backend(receiver, values))
        ])
        forwarder.start()
        try await meanwhile()
        while try await store.ledger().pendingPoints > 0 { await settled.wait() }
        await forwarder.stop(grace: .seconds(5))
        let ledger = try await store.ledger()
        transport.close()
        await store.close()
        return ledger
    }

    private func append(_ scrape: Int, to store: WALStore) async throws {
        var decoded = DecodedRequest()
        decoded.batch = BackendFixture.samples(
            (0..<Self.series).map { Double(scrape * Self.series + $0) },
            from: 1_790_000_000_000_000_000 + Int64(scrape) * 1_000_000_000)
        let request = AppendRequest(
            decoded: decoded, source: "test", peer: "127.0.0.1", requestID: "a request", bodyBytes: 1)
        let result = await withCheckedContinuation { continuation in
            store.append(request, tenant: "acme") { continuation.resume(returning: $0) }
        }
        _ = try result.get()
    }
}
