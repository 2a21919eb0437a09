import Forwarder
import TestSupport
import Testing
import WALStore

/// A fault between request and answer. While it lasts nothing may be settled, because nobody said yes; when it is over
/// everything has to arrive.
@Suite(.timeLimit(.minutes(3))) struct AnswerFaultTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var plan: FaultPlan
        var testDescription: String { name }

        init(_ name: String, _ plan: FaultPlan) { (self.name, self.plan) = (name, plan) }
    }

    typealias Stage = FaultPlan.Stage

    static let cases: [Case] = [
        Case("connections are reset", FaultPlan(.reset)),
        Case("connections are accepted and then silent", FaultPlan(.silence)),
        Case("the request is reset at its first byte", FaultPlan(request: [Stage(0, .reset)])),
        Case("the request is reset in its head", FaultPlan(request: [Stage(40, .reset)])),
        Case("the request is reset in its body", FaultPlan(request: [Stage(350, .reset)])),
        Case("the request stands still", FaultPlan(request: [Stage(350, .stall)])),
        Case("the rest of the request is lost", FaultPlan(request: [Stage(350, .lose)])),
        Case("the request's direction ends early", FaultPlan(request: [Stage(350, .end)])),
        Case("the request is closed in the middle", FaultPlan(request: [Stage(350, .close)])),
        Case("the answer is lost by a reset", .replyLost),
        Case("the answer is lost without a sign", FaultPlan(reply: [Stage(0, .lose)])),
        Case("the answer never gets through", FaultPlan(reply: [Stage(0, .stall)])),
        Case("the connection closes instead of the answer", FaultPlan(reply: [Stage(0, .close)])),
        Case("the answer ends in its status line", FaultPlan(reply: [Stage(10, .close)])),
        Case("the answer is reset in its status line", FaultPlan(reply: [Stage(10, .reset)])),
        Case("the answer stands still in its status line", FaultPlan(reply: [Stage(10, .stall)])),
        Case("garbage for an answer", FaultPlan(reply: [Stage(0, .replace(Array("%%% no HTTP\r\n\r\n".utf8)))])),
        Case("zeros for an answer", FaultPlan(reply: [Stage(0, .replace([UInt8](repeating: 0, count: 500)))])),
        Case("an answer of turned bits", FaultPlan(reply: [Stage(0, .garble(mask: 0x55))])),
        Case(
            "an interim answer and then the end",
            FaultPlan(reply: [Stage(0, .replace(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)))])),
    ]

    @Test(arguments: cases)
    func `nothing is settled without an answer, and all of it arrives when the network is back`(
        _ example: Case
    ) async throws {
        let server = try PointServer()
        let proxy = try FaultProxy(to: server.port) { _ in example.plan }
        defer {
            proxy.stop()
            server.stop()
        }
        let bench = try DeliveryBench()
        // What stands still is given up after this time; under load it may be given up early, which is one more fault.
        let target = DeliveryBench.Target(name: "central", url: proxy.url, settings: ["timeout": "300ms"])
        try await bench.start(["acme": [target]])
        try await bench.append(300)
        let failed = try await bench.lane { $0.attempts >= 4 }
        #expect(failed.counters.deliveredPoints == 0, "\(failed)")
        let during = try await bench.ledger()
        #expect(during.pendingPoints == 300, "\(during)")
        #expect(during.deadPoints == 0, "\(during)")
        try await bench.append(50)

        proxy.behave { _ in .clean }
        proxy.cut()
        let whole = DeliveryBench.Target(name: "central", url: proxy.url)
        try await bench.configure(["acme": [whole]])
        try await bench.expectAllDelivered(to: server)
        #expect(server.disordered(series: DeliveryBench.series).isEmpty)
        await bench.stop()
    }
}
