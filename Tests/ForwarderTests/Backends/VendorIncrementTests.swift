import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Running totals through real spools to backends that add up what they are told: whatever happens on the way, it adds up to how far
/// the totals have come.
@Suite(.timeLimit(.minutes(10)))
struct VendorIncrementTests {
    private static let series = 5

    /// Totals that grow from 1000, several points in a second.
    private struct Source {
        var random = SeededGenerator.fresh()
        var totals = Array(repeating: 1000.0, count: VendorIncrementTests.series)
        var time: Int64 = 1_790_000_000_000_000_000
        var grown = 0.0

        mutating func batch(_ points: Int) -> Batch {
            var batch = Batch()
            let ids = totals.indices.map { BackendFixture.series("jobs_total", [("worker", "\($0)")], in: &batch) }
            for _ in 0..<points {
                time += Int64.random(in: 1...300_000_000, using: &random)
                let index = Int.random(in: 0..<totals.count, using: &random)
                let amount = Double(Int.random(in: 0...20, using: &random))
                totals[index] += amount
                grown += amount
                batch.points.appendFloat64(series: ids[index], time: time, bits: totals[index].bitPattern)
            }
            return batch
        }

        /// A point of each, with nothing added.
        mutating func standing() -> Batch {
            var batch = self.batch(0)
            for id in totals.indices {
                time += 1
                batch.points.appendFloat64(series: UInt32(id), time: time, bits: totals[id].bitPattern)
            }
            return batch
        }
    }

    /// Four lives of a process, each ended while there is something to do, but for the last one.
    private func live(
        _ backend: any Backend, received: @Sendable (Int) async -> Void, mend: () -> Void
    ) async throws -> (grown: Double, ledger: BackendLedger) {
        var source = Source()
        let run = try SpoolRun()
        for life in 0..<3 {
            try await run.run(through: backend) { store, _ in
                if life == 0 { try await store.append(source.standing()) }
                for _ in 0..<5 { try await store.append(source.batch(40)) }
                await received((life + 1) * 5)
            }
        }
        mend()
        // What was refused last is told with the next point of each.
        var ledger = try await run.deliver([source.batch(40)], through: backend)
        ledger = try await run.deliver([source.standing()], through: backend)
        #expect(ledger.balances)
        // All of it has been told: what is sent again adds nothing.
        let counts = try await run.replay(through: backend)
        #expect(counts.sent == 0 && counts.excluded > 0)
        return (source.grown, ledger)
    }

    @Test func `Datadog has what was added, whatever is lost, refused, down, restarted or replayed`() async throws {
        let isFaulty = Mutex(true)
        var behaviour = DatadogServer.Behaviour()
        behaviour.fault = { number in
            switch isFaulty.withLock({ $0 }) ? number % 7 : 0 {
            case 1: .answer(503)
            case 3: .answer(400)
            case 5: .lostAnswer
            default: nil
            }
        }
        let server = try DatadogServer(behaviour)
        let backend = try BackendFixture.make(
            "datadog", ["url": server.url, "api_key": "env:good", "max_points": "50"],
            environment: BackendFixture.environment())
        let (grown, ledger) = try await live(backend, received: { await server.received($0) }) {
            isFaulty.withLock { $0 = false }
        }
        #expect(server.countedInAll == grown)
        #expect(ledger.pendingPoints == 0)
        #expect(server.faults.isEmpty && server.dropped.isEmpty && server.changed.isEmpty)
        server.stop()
    }

    @Test func `New Relic has what was added, whatever is refused, down, restarted or replayed`() async throws {
        let isFaulty = Mutex(true)
        var behaviour = NewRelicServer.Behaviour()
        behaviour.fault = { number in
            switch isFaulty.withLock({ $0 }) ? number % 7 : 0 {
            case 1: (503, [], "busy")
            case 3: (400, [], "bad")
            case 5: (429, [("Retry-After", "0")], "slow")
            default: nil
            }
        }
        let server = try NewRelicServer(behaviour)
        let backend = try BackendFixture.make(
            "newrelic", ["url": server.url, "api_key": "env:good", "max_points": "50"],
            environment: BackendFixture.environment())
        let (grown, ledger) = try await live(backend, received: { await server.received($0) }) {
            isFaulty.withLock { $0 = false }
        }
        #expect(server.countedInAll == grown)
        #expect(ledger.pendingPoints == 0)
        #expect(server.faults.isEmpty && server.dropped.isEmpty)
        server.stop()
    }
}
