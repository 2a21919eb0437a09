import Testing
import WALStore

@testable import Forwarder

/// What is wrong with requests of a backlog is no business of fresh points.
@Suite(.timeLimit(.minutes(5))) struct BacklogTroubleTests {
    /// A backlog of half an hour, then a scrape each few seconds.
    ///
    /// - Returns: how long the fresh points took that arrived, and how many did not.
    private func run(
        seconds: Double = 300,
        _ judge: @escaping @Sendable (LinkedNode.Request, _ start: Double) -> LinkedNode.Verdict,
        look: @escaping @Sendable (LinkedNode) -> Void = { _ in }
    ) async throws -> (worst: Double, missing: Int) {
        try await LinkedNode.run(bytesPerSecond: 1_000_000, .freshFirst(CatchUp())) { node in
            node.scrape(series: 50, every: 5, for: 1800)
            let start = node.seconds
            node.judge = { judge($0, start) }
            node.startDelivery()
            node.scrape(series: 50, every: 5, for: seconds)
            node.pass(seconds: 30)
            #expect(node.fault == nil)
            look(node)
            let delays = node.taken.flatMap { request in
                request.received.filter { $0 >= start }.map { request.seconds - $0 }
            }
            return (delays.max() ?? .infinity, 50 * Int(seconds / 5) - delays.count)
        }
    }

    @Test func `a backlog that is answered 500 for ever holds nothing fresh, and its points are found out`()
        async throws
    {
        let (worst, missing) = try await run(seconds: 400) { request, _ in
            .answer(request.received.contains { $0 < 900 && $0 > 880 } ? 500 : 204)
        } look: { node in
            let ledger = node.ledger()
            // Three scrapes, or four.
            #expect(ledger.map { [150, 200].contains($0.deadPoints) && $0.pendingPoints == 0 && $0.balances } == true)
        }
        #expect(worst < 5 && missing == 0, "\(worst) seconds, \(missing) missing")
    }

    /// - Parameter status: 0: none.
    @Test(arguments: [503, 0])
    func `a backlog that fails or hangs as long as it likes holds nothing fresh`(_ status: Int) async throws {
        let (worst, missing) = try await run { request, _ in
            guard request.received.contains(where: { $0 < 900 && $0 > 880 }) else { return .answer(204) }
            return status == 0 ? .hang : .answer(status)
        } look: { node in
            let failed = node.requests.filter { $0.status != 204 }.count
            #expect((2...40).contains(failed), "\(failed) tries, each after a longer wait")
        }
        #expect(worst < 5 && missing == 0, "\(worst) seconds, \(missing) missing")
    }

    @Test(arguments: [500, 503]) func `an outage that all share buries nothing, and fresh points arrive soon after it`(
        _ status: Int
    ) async throws {
        let outage = 400.0
        try await LinkedNode.run(bytesPerSecond: 1_000_000, .freshFirst(CatchUp())) { node in
            node.scrape(series: 50, every: 5, for: 1800)
            let start = node.seconds
            node.judge = { .answer($0.seconds < start + outage ? status : 204) }
            node.startDelivery()
            node.scrape(series: 50, every: 5, for: outage + 600)
            node.pass(seconds: 30)
            #expect(node.fault == nil)
            let ledger = node.ledger()
            #expect(ledger?.deadPoints == 0 && ledger?.pendingPoints == 0 && ledger?.balances == true)
            let refused = node.requests.filter { $0.status == status }
            // What gets 500 may be at fault itself: it is kept, and asked for as in the other order.
            let first = try #require(node.taken.first)
            #expect(first.seconds - start - outage < (status == 503 ? 11 : 61))
            if status == 503 {
                #expect(refused.dropFirst(10).allSatisfy { $0.received.count <= LaneState.probePoints })
                #expect(first.received.contains { $0 > start + outage - 130 }, "it has fresh points")
                #expect(refused.count < Int(outage) / 3, "\(refused.count) tries")
                // Not by luck at its end.
                let waits = zip(refused, refused.dropFirst()).map { $1.seconds - $0.seconds }
                #expect(try #require(waits.max()) < 11)
            }
        }
    }
}
