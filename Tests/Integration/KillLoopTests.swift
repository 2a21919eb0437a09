import Foundation
import Metrics
import TestSupport
import Testing

/// P1 to P4 on the real binary: SIGKILL at random moments, while three tenants write and four backends answer with every
/// outcome. A ledger that Holdfast knows nothing of compares what was acknowledged with what each backend took.
///
/// `HOLDFAST_KILL_CYCLES` is how often it is killed; default 8.
@Suite(.serialized) struct KillLoopTests {
    private static let tenants = ["harbour", "mill", "yard"]
    private static let cycles =
        ProcessInfo.processInfo.environment["HOLDFAST_KILL_CYCLES"].flatMap { Int($0) } ?? 8

    private struct Backends {
        var remote: JudgingBackend
        var influx: JudgingBackend
        var search: BulkServer
    }

    @Test func `what was acknowledged reaches every backend, whatever they answer and however often it is killed`()
        async throws
    {
        var random = SeededGenerator.fresh()
        print("kill loop: seed \(random.seed), \(Self.cycles) cycles")
        let bench = try Workbench("kill-loop")
        var behaviour = BulkServer.Behaviour()
        behaviour.overloadsEvery = 9
        let backends = Backends(
            remote: try JudgingBackend(.remoteWrite, seed: random.next()),
            influx: try JudgingBackend(.influx, seed: random.next()), search: try BulkServer(behaviour))
        defer {
            for judge in [backends.remote, backends.influx] { judge.stop() }
            backends.search.stop()
        }
        let node = try HoldfastNode(bench, config: try Self.config(bench, backends))
        try await node.start()
        let ledgers = Self.tenants.map { LoadLedger(tenant: $0, token: "token-of-\($0)") }

        let url = node.url
        try await withThrowingTaskGroup(of: Void.self) { group in
            for ledger in ledgers { group.addTask { await ledger.run(clients: 2, url: url) } }
            do {
                for _ in 0..<Self.cycles { try await Self.killOnce(node, ledgers, &random) }
                try await Self.awaitAcknowledgements(ledgers)
            } catch {
                for ledger in ledgers { await ledger.stop() }
                throw error
            }
            for ledger in ledgers { await ledger.stop() }
            try await group.waitForAll()
        }

        backends.remote.beKind()
        backends.influx.beKind()
        var compared = 0
        for ledger in ledgers {
            let status = try await node.drain(within: 240, tenant: ledger.tenant)
            compared += try await check(ledger, status, backends, node, seed: random.seed)
        }
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        for judge in [backends.remote, backends.influx] { #expect(judge.fault == nil, "\(judge.fault ?? "")") }
        #expect(backends.search.faults.isEmpty, "\(backends.search.faults.prefix(3))")
        print("kill loop: \(Self.cycles) kills, \(compared) points compared, lost 0, seed \(random.seed)")
        print("kill loop: remote write answered \(backends.remote.outcomes), influx \(backends.influx.outcomes)")
    }

    // MARK: Parts

    private static func config(_ bench: Workbench, _ backends: Backends) throws -> String {
        let credentials = try tenants.map { tenant in
            let file = try bench.write("\(tenant).token", "token-of-\(tenant)")
            return """
                  \(tenant):
                    backends: [remote, influx, search, files]
                    credentials: { tokens: ["file:\(file)"] }
                """
        }
        return """
            backends:
              remote: { type: prometheus_remote_write, url: "\(backends.remote.url)/api/v1/write", timeout: 5s }
              influx: { type: influxdb, version: 1, url: "\(backends.influx.url)", database: "{tenant}", timeout: 5s }
              search: { type: elasticsearch, url: "\(backends.search.url)", index: "load-{tenant}" }
              files: { type: archive }
            tenants:
            \(credentials.joined(separator: "\n"))
            """
    }

    /// Waits until each tenant was acknowledged something since the start, then a random while, then kills; now and then
    /// kills a second time while it starts.
    private static func killOnce(
        _ node: HoldfastNode, _ ledgers: [LoadLedger], _ random: inout SeededGenerator
    ) async throws {
        try await awaitAcknowledgements(ledgers)
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...500, using: &random)))
        node.process.kill()
        if Int.random(in: 0..<3, using: &random) == 0 {
            try node.process.start()
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &random)))
            node.process.kill()
        }
        try await node.start()
    }

    private static func awaitAcknowledgements(_ ledgers: [LoadLedger]) async throws {
        for ledger in ledgers {
            let before = await ledger.acknowledged.count
            let isGoing = try await eventually(within: 60, every: 0.02) { await ledger.acknowledged.count > before }
            if !isGoing { throw TestFailure("\(ledger.tenant) is not acknowledged anything for a minute") }
        }
    }

    /// - Returns: points compared.
    private func check(
        _ ledger: LoadLedger, _ status: NodeStatus, _ backends: Backends, _ node: HoldfastNode, seed: UInt64
    ) async throws -> Int {
        let documents = backends.search.documents(in: "load-\(ledger.tenant)")
        let archive = try LoadLedger.values(archive: "\(node.dataFolder)/archive-files/\(ledger.tenant)")
        let taken: [String: Set<Int>] = [
            "remote": backends.remote.values(of: ledger.tenant), "influx": backends.influx.values(of: ledger.tenant),
            "search": Set(documents.compactMap { $0.source["value"]?.double.map { Int($0) } }), "files": archive.values,
        ]
        let acknowledged = await ledger.acknowledged
        let unanswered = await ledger.unanswered
        var compared = 0
        for backend in status.backends {
            let refusesPoison = backend.name == "remote" || backend.name == "influx"
            let received = try #require(taken[backend.name])
            /// What a request should be there as.
            func wanted(_ request: Int) -> Set<Int> {
                let first = request * LoadLedger.pointsPerRequest
                return Set(
                    (first..<first + LoadLedger.pointsPerRequest).filter {
                        !refusesPoison || !JudgingBackend.isPoison($0)
                    })
            }
            let missing = acknowledged.reduce(0) { $0 + wanted($1).subtracting(received).count }
            let context = "\(ledger.tenant) at \(backend.name), seed \(seed)"
            #expect(missing == 0, "\(missing) acknowledged points are missing: \(context)")
            let torn = unanswered.filter { request in
                let there = wanted(request).intersection(received)
                return !there.isEmpty && there != wanted(request)
            }
            #expect(torn.isEmpty, "requests without an answer are there in part: \(torn.prefix(5)), \(context)")
            // The points that nobody wants, and no others, are dead letters.
            func poison(_ requests: Set<Int>) -> Int {
                refusesPoison ? requests.reduce(0) { $0 + LoadLedger.pointsPerRequest - wanted($1).count } : 0
            }
            #expect(backend.dead >= poison(acknowledged), "\(backend), \(context)")
            #expect(backend.dead <= poison(acknowledged.union(unanswered)), "\(backend), \(context)")
            #expect(backend.balances && backend.lost == 0 && backend.excluded == 0, "\(backend), \(context)")
            #expect(backend.owed == status.accepted, "\(backend), \(context)")
            compared += acknowledged.count * LoadLedger.pointsPerRequest
        }
        #expect(status.backends.count == 4 && !acknowledged.isEmpty)
        return compared
    }
}
