import Forwarder
import TestSupport
import Testing
import WALStore

/// Theme 4 of what goes wrong elsewhere: one dead destination, or one bad record, stops the others.
@Suite(.timeLimit(.minutes(3))) struct T4DeadDestinationTests {
    enum Death: String, CaseIterable, Sendable { case silent, refusing, failing, unauthorized, unresolvable, untrusted }

    @Test(arguments: Death.allCases)
    func `a dead backend keeps its own points waiting and nobody else's`(_ death: Death) async throws {
        let dying = try PointServer { _, _ in death == .unauthorized ? .reply(401) : .reply(503) }
        let healthy = try PointServer()
        let proxy = try FaultProxy(to: dying.port) { _ in
            switch death {
            case .silent: FaultPlan(.silence)
            case .refusing: FaultPlan(.reset)
            default: .clean
            }
        }
        defer {
            proxy.stop()
            dying.stop()
            healthy.stop()
        }
        let url =
            switch death {
            case .unresolvable: "http://nowhere.holdfast.invalid/"
            case .untrusted: "https://127.0.0.1:\(proxy.port)/"
            default: proxy.url
            }
        let targets = [
            DeliveryBench.Target(name: "dead", url: url, settings: ["timeout": "10m", "connect_timeout": "10m"]),
            DeliveryBench.Target(name: "central", url: healthy.http.url),
        ]
        let bench = try DeliveryBench()
        try await bench.start(["acme": targets])
        for _ in 0..<10 { try await bench.append(100) }
        try await bench.expectAllDelivered(to: healthy)
        let ledger = try await bench.ledger("dead")
        #expect(ledger.pendingPoints == 1000 && ledger.deadPoints == 0, "\(ledger)")
        await bench.stop()
    }

    @Test func `more stuck tenants than a backend has turns leave every other backend alone`() async throws {
        let (silent, healthy) = (try PointServer(), try PointServer())
        let proxy = try FaultProxy(to: silent.port) { _ in FaultPlan(.silence) }
        defer {
            proxy.stop()
            silent.stop()
            healthy.stop()
        }
        let targets = [
            DeliveryBench.Target(name: "dead", url: proxy.url, settings: ["timeout": "10m"]),
            DeliveryBench.Target(name: "central", url: healthy.http.url),
        ]
        let tenants = (0..<DeliveryRoute.defaultMaximumInFlight * 2).map { "tenant\($0)" }
        let bench = try DeliveryBench()
        try await bench.start(Dictionary(uniqueKeysWithValues: tenants.map { ($0, targets) }))
        for tenant in tenants { try await bench.append(20, tenant: tenant) }
        for tenant in tenants {
            #expect(try await bench.drained("central", tenant: tenant).deliveredPoints == 20, "\(tenant)")
            #expect(try await bench.ledger("dead", tenant: tenant).pendingPoints == 20, "\(tenant)")
        }
        #expect(proxy.openConnections <= DeliveryRoute.defaultMaximumInFlight)
        await bench.stop()
    }

    @Test func `a refused point blocks neither newer ones nor another tenant`() async throws {
        // One bad record in ten of foo's; bar's are all well.
        let server = try PointServer { values, _ in
            values.contains { $0 < 500 && $0 % 10 == 0 } ? .text(400, "label value is not valid here") : .reply(204)
        }
        defer { server.stop() }
        let target = DeliveryBench.Target(name: "central", url: server.http.url)
        let bench = try DeliveryBench()
        try await bench.start(["foo": [target], "bar": [target]])
        for _ in 0..<5 { try await bench.append(100, tenant: "foo") }
        for _ in 0..<5 { try await bench.append(100, tenant: "bar") }
        let (foo, bar) = (try await bench.drained(tenant: "foo"), try await bench.drained(tenant: "bar"))
        #expect(foo.deadPoints == 50 && foo.deliveredPoints == 450 && foo.balances, "\(foo)")
        #expect(bar.deadPoints == 0 && bar.deliveredPoints == 500 && bar.balances, "\(bar)")
        #expect(bench.acknowledged("bar").subtracting(server.values).isEmpty)
        await bench.stop()
    }

    @Test func `one tenant's points that are answered 500 for ever do not stop another's`() async throws {
        let server = try PointServer { values, _ in
            values.contains { $0 < 100 } ? .text(500, "too old") : .reply(204)
        }
        defer { server.stop() }
        let target = DeliveryBench.Target(name: "central", url: server.http.url)
        let bench = try DeliveryBench()
        try await bench.start(["foo": [target], "bar": [target]])
        try await bench.append(100, tenant: "foo")
        for _ in 0..<10 { try await bench.append(100, tenant: "bar") }
        let bar = try await bench.drained(tenant: "bar")
        #expect(bar.deliveredPoints == 1000 && bar.deadPoints == 0, "\(bar)")
        let foo = try await bench.ledger(tenant: "foo")
        #expect(foo.pendingPoints == 100, "two minutes of it have not passed: \(foo)")
        await bench.stop()
    }
}
