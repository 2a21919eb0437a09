import Forwarder
import TestSupport
import Testing
import WALStore

/// A backend's name that leads nowhere.
@Suite(.timeLimit(.minutes(2))) struct NameTests {
    @Test func `a name that does not resolve is named, nothing is settled, and the lane goes on once it is mended`()
        async throws
    {
        let server = try PointServer()
        defer { server.stop() }
        let bench = try DeliveryBench()
        // RFC 6761: this never resolves.
        try await bench.start(["acme": [.init(name: "central", url: "http://metrics.holdfast.invalid:9090/write")]])
        try await bench.append(50)
        let failing = try await bench.lane { $0.attempts >= 3 }
        #expect(failing.lastError.contains("metrics.holdfast.invalid"), "\(failing.lastError)")
        let ledger = try await bench.ledger()
        #expect(ledger.pendingPoints == 50 && ledger.deadPoints == 0, "\(ledger)")

        try await bench.configure(["acme": [.init(name: "central", url: "http://localhost:\(server.port)/write")]])
        try await bench.expectAllDelivered(to: server)
        #expect(bench.lane()?.lastError == "")
        await bench.stop()
    }

    @Test func `a port nobody listens on is tried until somebody does`() async throws {
        let first = try PointServer()
        let port = first.port
        first.stop()
        let bench = try DeliveryBench()
        try await bench.start(["acme": [.init(name: "central", url: "http://127.0.0.1:\(port)/write")]])
        try await bench.append(50)
        _ = try await bench.lane { $0.attempts >= 3 }
        #expect(try await bench.ledger().pendingPoints == 50)
        let proxied = try PointServer()
        let proxy = try FaultProxy(to: proxied.port, port: port)
        defer {
            proxy.stop()
            proxied.stop()
        }
        try await bench.expectAllDelivered(to: proxied)
        await bench.stop()
    }
}
