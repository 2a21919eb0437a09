import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Increments of running totals over real spools: whatever happens, those that a backend has add up to how far the totals
/// have come.
@Suite(.timeLimit(.minutes(10)))
struct CounterDeliveryTests {
    private static let series = 7
    private let folder: TemporaryFolder
    private let settled = Signal()

    init() throws { folder = try TemporaryFolder() }

    /// Totals that grow from 1000 by what `random` says, now and then from 0 again, several points in a second.
    private struct Source {
        var random: SeededGenerator
        /// Now and then a total begins anew.
        var resets = false
        var totals = Array(repeating: 1000.0, count: CounterDeliveryTests.series)
        var time: Int64 = 1_790_000_000_000_000_000
        /// What all increments add up to.
        var grown = 0.0

        mutating func batch(_ points: Int) -> Batch {
            var batch = Batch()
            let ids = totals.indices.map { number in
                var builder = LabelBuilder()
                builder.add("__name__", "total\(number)")
                do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
                return builder.canonical.withUnsafeBytes { batch.series.intern($0) }
            }
            for _ in 0..<points {
                time += Int64.random(in: 1...400_000_000, using: &random)
                let index = Int.random(in: 0..<totals.count, using: &random)
                let amount = Double(Int.random(in: 0...20, using: &random))
                let isReset = resets && totals[index] > 1000 && Int.random(in: 0..<50, using: &random) == 0
                // A total that began anew and is not below what it was cannot be told from one that went on.
                totals[index] = isReset ? amount : totals[index] + amount
                grown += amount
                batch.points.appendFloat64(series: ids[index], time: time, bits: totals[index].bitPattern)
            }
            return batch
        }

        /// A first point of each, from which the others are counted.
        mutating func beginnings() -> Batch {
            var batch = self.batch(0)
            for id in totals.indices {
                time += 1
                batch.points.appendFloat64(series: UInt32(id), time: time, bits: totals[id].bitPattern)
            }
            return batch
        }
    }

    /// Takes what it takes whole, and forgets the answer of some, refuses some, and is down for some.
    private final class Server: Sendable {
        let table = Mutex(IncrementTable())
        let isFaulty = Mutex(true)
        let refuses: Bool

        init(refuses: Bool) { self.refuses = refuses }

        func answer(_ request: HTTPTestServer.Request, _ number: Int) -> HTTPTestServer.Action {
            let fault = isFaulty.withLock { $0 } ? number % 7 : 0
            switch fault {
            case 1: return .text(503, "busy")
            // What the refused points add goes with the ones behind them.
            case 3 where refuses && number % 2 == 0: return .text(400, "bad")
            case 5:
                table.withLock { $0.take(request) }
                return .reset
            default:
                table.withLock { $0.take(request) }
                return .reply(204)
            }
        }
    }

    /// - Parameter refuses: the backend does, now and then. A refused point takes with it what was added before its total begins
    ///   anew, so that these do not come together here.
    @Test(arguments: [true, false])
    func `increments add up through lost answers, refusals, outages and restarts`(_ refuses: Bool) async throws {
        var source = Source(random: SeededGenerator.fresh(), resets: !refuses)
        let server = Server(refuses: refuses)
        let http = try HTTPTestServer { server.answer($0, $1) }
        for life in 0..<4 {
            try await run { store, forwarder in
                forwarder.configure([route(http)])
                forwarder.start()
                if life == 0 { try await store.append(source.beginnings()) }
                for _ in 0..<6 { try await store.append(source.batch(40)) }
                // In the middle of what there is to do, but for the last time.
                if life < 3 {
                    await http.received((life + 1) * 6)
                } else {
                    server.isFaulty.withLock { $0 = false }
                    while try await store.ledger().pendingPoints > 0 { await settled.wait() }
                    // What was refused last is told with the next point of each.
                    try await store.append(source.beginnings())
                    while try await store.ledger().pendingPoints > 0 { await settled.wait() }
                }
                await forwarder.stop(grace: .seconds(5))
                #expect(try await store.ledger().balances)
            }
        }
        #expect(server.table.withLock { $0.total } == source.grown)
        http.stop()
    }

    @Test func `a replay adds nothing to what was taken`() async throws {
        var source = Source(random: SeededGenerator.fresh())
        let server = Server(refuses: false)
        server.isFaulty.withLock { $0 = false }
        let http = try HTTPTestServer { server.answer($0, $1) }
        try await run { store, forwarder in
            forwarder.configure([route(http)])
            forwarder.start()
            try await store.append(source.beginnings())
            for _ in 0..<6 { try await store.append(source.batch(40)) }
            while try await store.ledger().pendingPoints > 0 { await settled.wait() }
            let requests = http.requests.count
            let job = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.startReplay(ReplayOrder(backend: "central", asked: "by a test"))
            }
            await forwarder.followReplays(tenant: "acme")
            while try await store.replays(tenant: "acme").first(where: { $0.id == job.id })?.state != .done {
                await settled.wait()
            }
            await forwarder.stop(grace: .seconds(5))
            #expect(http.requests.count == requests, "there was nothing to send")
            let counts = try #require(try await store.replays(tenant: "acme").first).counts
            #expect(counts.sent == 0)
            #expect(counts.excluded == 247)
        }
        #expect(server.table.withLock { $0.total } == source.grown)
        http.stop()
    }

    @Test func `a replay beside live points waits for their end, and what is told adds up`() async throws {
        var source = Source(random: SeededGenerator.fresh())
        let server = Server(refuses: false)
        server.isFaulty.withLock { $0 = false }
        let gate = HTTPTestGate()
        let isHeld = Mutex(false)
        let http = try HTTPTestServer { request, number in
            let action = server.answer(request, number)
            return isHeld.withLock { $0 } ? .wait(gate, then: action) : action
        }
        try await run { store, forwarder in
            forwarder.configure([route(http)])
            forwarder.start()
            try await store.append(source.beginnings())
            try await store.append(source.batch(40))
            while try await store.ledger().pendingPoints > 0 { await settled.wait() }
            let requests = http.requests.count
            isHeld.withLock { $0 = true }
            try await store.append(source.batch(40))
            await http.received(requests + 1)
            let job = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.startReplay(ReplayOrder(backend: "central", asked: "by a test"))
            }
            await forwarder.followReplays(tenant: "acme")
            while forwarder.context.counters.waiting("acme", "central") == 0 { await Task.yield() }
            try await store.append(source.batch(40))
            gate.open()
            while try await store.ledger().pendingPoints > 0 { await settled.wait() }
            while try await store.replays(tenant: "acme").first(where: { $0.id == job.id })?.state != .done {
                await settled.wait()
            }
            await forwarder.stop(grace: .seconds(5))
            #expect(try await store.ledger().balances)
        }
        #expect(server.table.withLock { $0.total } == source.grown)
        http.stop()
    }

    @Test func `turns are taken in order, by each tenant and backend for itself`() async {
        let turns = CounterTurns()
        let order = Recorder<Int>()
        #expect(turns.takeAtOnce("acme", "central"))
        #expect(turns.takeAtOnce("acme", "other") && turns.takeAtOnce("else", "central"))
        await withDiscardingTaskGroup { group in
            for number in 0..<5 {
                group.addTask {
                    await turns.take("acme", "central")
                    order.record(number)
                    turns.giveUp("acme", "central")
                }
                while turns.waiting("acme", "central") <= number { await Task.yield() }
            }
            #expect(!turns.takeAtOnce("acme", "central"))
            turns.giveUp("acme", "central")
        }
        #expect(order.elements == [0, 1, 2, 3, 4])
        #expect(turns.takeAtOnce("acme", "central"))
    }

    // MARK: Fixture

    private func route(_ server: HTTPTestServer) -> DeliveryRoute {
        DeliveryRoute(tenant: "acme", name: "central", backend: IncrementBackend(url: server.url))
    }

    private func run(_ body: (WALStore, Forwarder) async throws -> Void) async throws {
        let store = try WALStore(
            directory: folder.path, node: NodeConfiguration(), openWait: .seconds(3600), scheduling: .patient,
            events: { _ in })
        let source = WatchedStore(store: store, settled: settled)
        let forwarder = Forwarder(source: source, transport: HTTPTransport(), events: { _ in })
        try await store.configure([
            SpoolConfiguration(tenant: "acme", backends: [BackendRegistration(name: "central", type: "increments")])
        ])
        try await body(store, forwarder)
        await store.close()
    }
}
