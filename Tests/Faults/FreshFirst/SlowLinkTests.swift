import Testing

@testable import Forwarder

/// `order: fresh_first` on a link that is slower than what waits for it.
@Suite(.timeLimit(.minutes(5))) struct SlowLinkTests {
    /// So many series that the backlog outlasts the first seconds, and what is fresh at first is little beside the link.
    @Test(arguments: [(30_000, 300), (60_000, 300), (150_000, 900)])
    func `while a backlog is refilled what is fresh arrives within five seconds, however slow the link`(
        _ bytesPerSecond: Int, _ series: Int
    ) async throws {
        let worst = try await LinkedNode.run(bytesPerSecond: bytesPerSecond, .freshFirst(CatchUp())) { node in
            node.scrape(series: series, every: 5, for: 1200)
            node.startDelivery()
            let start = node.seconds
            node.scrape(series: 200, every: 3, for: 45)
            node.pass(seconds: 10)
            #expect(node.fault == nil)
            let backlog = node.taken.filter { $0.worstDelay > 180 }
            #expect(backlog.contains { $0.seconds > start + 5 }, "there was one to be refilled")
            return node.taken.flatMap { request in
                request.received.filter { $0 >= start }.map { request.seconds - $0 }
            }.max()
        }
        let delay = try #require(worst)
        #expect(delay < 5, "\(delay) seconds")
    }

    @Test(arguments: [0.3, 0.5])
    func `while more fresh points wait than the link carries, the backlog has its share of it`(_ share: Double)
        async throws
    {
        let (fresh, backlog) = try await LinkedNode.run(
            bytesPerSecond: 8000, maximumPoints: 100, .freshFirst(CatchUp(share: share))
        ) { node in
            node.scrape(series: 60, every: 2, for: 1200)
            // What came within the last minute is fresh.
            let begin = node.seconds - 60
            node.startDelivery()
            node.scrape(series: 120, every: 0.1, for: 60)
            #expect(node.fault == nil)
            let points = node.taken.flatMap(\.received)
            let backlog = points.count { $0 < begin }
            return (points.count - backlog, backlog)
        }
        let had = Double(backlog) / Double(fresh + backlog)
        #expect(abs(had - share) < 0.08, "\(had) of \(fresh + backlog) points")
    }
}
