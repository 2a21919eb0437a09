import Forwarder
import TestSupport
import Testing
import WALStore

/// What an answer may not make the forwarder do: go elsewhere with the points.
@Suite(.timeLimit(.minutes(2))) struct RedirectTests {
    @Test(arguments: [301, 302, 303, 307, 308])
    func `no byte goes where a redirect points, and the lane is held until the url is mended`(
        _ status: Int
    ) async throws {
        let elsewhere = try PointServer()
        let server = try PointServer { _, _ in
            .reply(status, headers: [("Location", "\(elsewhere.http.url)/new?token=secret")])
        }
        defer {
            server.stop()
            elsewhere.stop()
        }
        let bench = try DeliveryBench()
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        try await bench.append(50)
        let held = try await bench.lane { lane in
            if case .held = lane.state { return true }
            return false
        }
        #expect(held.lastError.contains("\(elsewhere.http.url)/new"), "\(held.lastError)")
        #expect(!held.lastError.contains("secret"), "\(held.lastError)")
        let ledger = try await bench.ledger()
        #expect(ledger.pendingPoints == 50 && ledger.deadPoints == 0, "\(ledger)")
        #expect(elsewhere.http.connections == 0)

        try await bench.configure(["acme": [.init(name: "central", url: elsewhere.http.url)]])
        try await bench.expectAllDelivered(to: elsewhere)
        await bench.stop()
    }

    @Test func `a redirect that ends by itself is found by the next probe`() async throws {
        let server = try PointServer { _, number in
            number < 3 ? .reply(302, headers: [("Location", "http://127.0.0.1:1/")]) : .reply(204)
        }
        defer { server.stop() }
        let bench = try DeliveryBench()
        try await bench.start(["acme": [.init(name: "central", url: server.http.url)]])
        try await bench.append(50)
        try await bench.expectAllDelivered(to: server)
        #expect(server.requests.count == 4)
        await bench.stop()
    }
}
