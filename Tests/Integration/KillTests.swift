import Foundation
import TestSupport
import Testing

/// P1 and P3 on the real binary: what was acknowledged is delivered, whatever kills the process in between.
@Suite(.serialized) struct KillTests {
    private static let config = """
        backends:
          archive: { type: archive }
        tenants:
          default: { backends: [archive] }
        """

    @Test func `every acknowledged request is delivered whole after kills at random moments`() async throws {
        var random = SeededGenerator.fresh()
        let bench = try Workbench("kill")
        let node = try HoldfastNode(bench, config: KillTests.config)
        try await node.start()
        let ledger = LoadLedger()
        let url = node.url
        async let load: Void = ledger.run(clients: 6, url: url)
        for _ in 0..<5 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 150...900, using: &random)))
            node.process.kill()
            try await node.start()
        }
        let beforeTheEnd = await ledger.acknowledged.count
        #expect(
            try await eventually(within: 30) { await ledger.acknowledged.count > beforeTheEnd + 10 },
            "the last start takes no load")
        await ledger.stop()
        await load
        let status = try await node.drain()
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        try await check(ledger, node, status, seed: random.seed)
    }

    @Test func `a stop under load answers what is in flight and loses nothing it acknowledged`() async throws {
        let bench = try Workbench("stop")
        let node = try HoldfastNode(bench, config: KillTests.config)
        try await node.start()
        let ledger = LoadLedger()
        let url = node.url
        async let load: Void = ledger.run(clients: 6, url: url)
        #expect(try await eventually(within: 30) { await ledger.acknowledged.count > 50 })
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        await ledger.stop()
        await load
        try await node.start()
        let status = try await node.drain()
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        try await check(ledger, node, status, seed: 0)
    }

    private func check(_ ledger: LoadLedger, _ node: HoldfastNode, _ status: NodeStatus, seed: UInt64) async throws {
        let received = try LoadLedger.received(archive: node.archiveFolder)
        let whole = LoadLedger.pointsPerRequest
        let acknowledged = await ledger.acknowledged
        #expect(acknowledged.count > 20, "the load did not get going")
        let lost = acknowledged.filter { received.perRequest[$0] != whole }
        #expect(
            lost.isEmpty, "\(lost.count) of \(acknowledged.count) acknowledged requests are not whole, seed \(seed)")
        let torn = await ledger.unanswered.filter { (received.perRequest[$0] ?? whole) != whole }
        #expect(torn.isEmpty, "unanswered requests that are there in part: \(torn), seed \(seed)")
        for backend in status.backends {
            #expect(backend.balances, "\(backend), seed \(seed)")
            #expect(backend.dead == 0 && backend.lost == 0, "\(backend), seed \(seed)")
        }
        #expect(received.perRequest.values.reduce(0, +) <= status.accepted)
    }
}
