import Metrics
import TestSupport
import Testing

@testable import WALStore

/// The power goes off at the 1st, 2nd, ... n-th change of the disk that a replay makes.
struct ReplayCutTests {
    private static let tenant = CrashRun.tenants[0]
    private static let pointsAPiece = 30

    @Test func `whichever call the power goes off at, each point is counted once and a piece at most is sent again`()
        async throws
    {
        for call in 1...1000 {
            var run = try await CrashRun(seed: TestSeed.first)
            do {
                let points = try await run.deliver(Self.tenant)
                let id = try await run.startReplay(Self.tenant)
                run.disk.cutPower(atCall: call, of: DiskCall.changes)
                var sent: [UInt64] = []
                do {
                    try await run.replay(Self.tenant, id, &sent)
                } catch let error as SpoolError {
                    guard run.disk.isOff else { throw error }
                }
                let isCut = run.disk.isOff
                let before = sent.count
                await run.restart(.powerCut)
                try await run.start()
                let settled = try await run.job(Self.tenant, id).counts.sent
                #expect(settled <= before && Int64(before) - settled <= Self.pointsAPiece, "call \(call)")
                try await run.replay(Self.tenant, id, &sent)
                let job = try await run.job(Self.tenant, id)
                #expect(
                    job.state == .done && job.counts.sent == points && job.counts.selected == points, "call \(call)")
                #expect(Set(sent).count == Int(points), "call \(call)")
                #expect(sent.count <= Int(points) + Self.pointsAPiece, "call \(call)")
                // The books of the tenant's backends hold beside it.
                try await run.drain()
                guard isCut else {
                    #expect(call > 3, "it makes fewer changes than a commit does")
                    return
                }
            } catch {
                Issue.record("call \(call): \(error)\n\(run.report)")
                await run.store.abandon()
                return
            }
        }
        Issue.record("it never ends")
    }
}

extension CrashRun {
    /// Requests that the tenant's backends take, some hundred points.
    ///
    /// - Returns: points there are.
    fileprivate mutating func deliver(_ tenant: String) async throws -> Int64 {
        models[tenant]?.configure(["a"])
        try await configure()
        while models[tenant]?.nextValue ?? 0 < 100 { try await append(tenant) }
        while try await lease(tenant, "a", 100) { try await settle(0, all: .delivered) }
        return try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.status().acceptedPoints
        }
    }

    fileprivate func startReplay(_ tenant: String) async throws -> Int64 {
        try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.startReplay(ReplayOrder(backend: "a", asked: "by a test")).id
        }
    }

    fileprivate func job(_ tenant: String, _ id: Int64) async throws -> ReplayJob {
        let jobs = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.replayJobs()
        }
        return try #require(jobs.first { $0.id == id })
    }

    /// Runs a job to its end.
    ///
    /// - Parameter sent: the values that a backend would have got, in order.
    fileprivate func replay(_ tenant: String, _ id: Int64, _ sent: inout [UInt64]) async throws {
        while true {
            let lease = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                try await spool.leaseReplay(id, limit: 30)
            }
            guard let lease else { return }
            for piece in lease.pieces { sent += piece.ordinals.map { piece.batch.points.bits[$0] } }
            let parts = lease.pieces.indices.map {
                Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered)
            }
            try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                try await spool.settleReplay(
                    lease, Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: 0))
            }
        }
    }
}
