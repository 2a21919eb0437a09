import Metrics
import Testing

@testable import WALStore

/// Where running totals stand is settled with the points that moved them.
struct SpoolCounterTests {
    private static let day: Int64 = 86_400

    private static func key(_ number: UInt64, part: UInt32 = 0) -> CounterKey {
        CounterKey(series: SeriesKey(high: number &* 0x9e37_79b9_7f4a_7c15, low: number), part: part)
    }

    private static func settlement(
        _ lease: Lease, _ counters: [CounterKey: CounterState], _ fate: Fate = .delivered
    ) -> Settlement {
        var settlement = Make.all(lease, fate)
        settlement.counters = counters
        return settlement
    }

    private static func lease(_ spool: Spool, _ values: Range<Int>, _ backend: String = "a") async throws -> Lease {
        _ = try await spool.append(Make.request(Make.batch(values)))
        return try #require(try await spool.lease(backend: backend, limit: LeaseLimit(points: 1000)))
    }

    @Test func `a total is where its last settled point left it, in the next process too`() async throws {
        let fixture = try SpoolFixture()
        let first = try await fixture.open(["a", "b"])
        let keys = (0..<3000).map { Self.key(UInt64($0), part: UInt32($0 % 3)) }
        let states = Dictionary(
            uniqueKeysWithValues: keys.enumerated().map {
                (
                    $1,
                    CounterState(
                        value: Double($0) + 0.1, time: .min + Int64($0), startTime: .max - Int64($0), windowSum: 1e300)
                )
            })
        let lease = try await Self.lease(first, 0..<10)
        try await first.settle(lease, Self.settlement(lease, states))
        #expect(try await first.counters(backend: "a", keys) == states)
        await first.close()
        let second = try await fixture.open(["a", "b"])
        #expect(try await second.counters(backend: "a", keys + [Self.key(9999)]) == states)
        #expect(try await second.counters(backend: "b", keys).isEmpty, "each backend was told by itself")
        await second.close()
    }

    @Test func `a total never goes back`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        for (time, value) in [(Int64(5), 50.0), (4, 40), (5, 55), (6, 1)] {
            let lease = try await Self.lease(spool, 0..<1)
            try await spool.settle(lease, Self.settlement(lease, [Self.key(1): CounterState(value: value, time: time)]))
            let known = try await spool.counters(backend: "a", [Self.key(1)])[Self.key(1)]
            #expect(known == (time < 6 ? CounterState(value: 50, time: 5) : CounterState(value: 1, time: 6)))
        }
        await spool.close()
    }

    @Test func `a settlement that is not accepted moves no total`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        let lease = try await Self.lease(spool, 0..<10)
        try await spool.settle(lease, Make.all(lease, .delivered))
        await #expect(throws: SpoolError.self) {
            try await spool.settle(lease, Self.settlement(lease, [Self.key(1): CounterState(value: 1, time: 1)]))
        }
        #expect(try await spool.counters(backend: "a", [Self.key(1)]).isEmpty)
        await #expect(throws: SpoolError.self) { try await spool.counters(backend: "nobody", [Self.key(1)]) }
        await spool.close()
    }

    @Test func `a total of a series that is gone is forgotten after a week, but never while as old a point is owed`()
        async throws
    {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open(["a", "b"])
        for backend in ["a", "b"] {
            let lease = try await Self.lease(spool, 0..<1, backend)
            try await spool.settle(
                lease,
                Self.settlement(
                    lease, [Self.key(1): CounterState(value: 1, time: 1), Self.key(2): CounterState(value: 2, time: 1)])
            )
        }
        // What b is owed from here on is as old as its totals.
        let early = try await Self.lease(spool, 0..<1)
        try await spool.settle(early, Self.settlement(early, [:]))
        fixture.advance(seconds: 7 * Self.day - 10)
        let lease = try await Self.lease(spool, 0..<1)
        try await spool.settle(lease, Self.settlement(lease, [Self.key(2): CounterState(value: 3, time: 2)]))
        try await spool.maintain()
        func known(_ backend: String) async throws -> Set<CounterKey> {
            Set(try await spool.counters(backend: backend, [Self.key(1), Self.key(2)]).keys)
        }
        #expect(try await known("a") == [Self.key(1), Self.key(2)])
        fixture.advance(seconds: 4000)
        try await spool.maintain()
        #expect(try await known("a") == [Self.key(2)])
        #expect(try await known("b") == [Self.key(1), Self.key(2)])
        // Whoever is busy is always owed something.
        let owed = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 1000)))
        try await spool.settle(owed, Self.settlement(owed, [:]))
        _ = try await spool.append(Make.request(Make.batch(0..<1)))
        fixture.advance(seconds: 4000)
        try await spool.maintain()
        #expect(try await known("b").isEmpty)
        await spool.close()
    }

    @Test func `no more totals are kept than there is room for, and an operator hears of it`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        await spool.keep(counters: 3)
        for round in Int64(1)...2 {
            let lease = try await Self.lease(spool, 0..<1)
            let states = Dictionary(
                uniqueKeysWithValues: (UInt64(0)..<5).map { (Self.key($0), CounterState(value: 1, time: round)) })
            try await spool.settle(lease, Self.settlement(lease, states))
            let known = try await spool.counters(backend: "a", Array(states.keys))
            #expect(known.count == 3)
            #expect(known.values.allSatisfy { $0.time == round }, "those that are kept go on")
        }
        try await spool.maintain()
        #expect(
            fixture.raised("a tenant has more running totals than are kept: no increments of the others are sent") == 1)
        await spool.close()
    }
}

extension Spool {
    fileprivate func keep(counters: Int64) { upkeep.maximumCounters = counters }
}
