import Metrics
import Testing
import WALStore

@testable import Forwarder

struct CounterBookTests {
    private let key = CounterKey(series: SeriesKey(high: 1, low: 2))
    private static let second: Int64 = 1_000_000_000

    private func book(_ value: Double, at time: Int64, start: Int64 = 0, windowSum: Double = 0) -> CounterBook {
        CounterBook([key: CounterState(value: value, time: time, startTime: start, windowSum: windowSum)])
    }

    @Test func `the first point of a total adds nothing, and is what the next is counted from`() {
        var book = CounterBook()
        #expect(book.read(key, value: 100, time: 10) == .first)
        #expect(book.read(key, value: 103, time: 11) == .increment(3, since: 10, windowSum: 3))
        #expect(book.beginnings == [key: CounterState(value: 100, time: 10)])
        #expect(book.changes == [key: CounterState(value: 103, time: 11, windowSum: 3)])
    }

    @Test func `a point that is as old as one that was taken, or older, adds nothing`() {
        var book = book(100, at: 10)
        #expect(book.read(key, value: 105, time: 10) == .passed)
        #expect(book.read(key, value: 90, time: 9) == .passed)
        #expect(book.changes.isEmpty)
        #expect(book.read(key, value: 100, time: 11) == .increment(0, since: 10, windowSum: 0))
    }

    @Test func `a total that falls began anew from nothing`() {
        var book = book(100, at: 10)
        #expect(book.read(key, value: 7, time: 20) == .increment(7, since: 10, windowSum: 7))
        #expect(book.read(key, value: 9, time: 30) == .increment(2, since: 20, windowSum: 9))
    }

    @Test func `a total whose start moved began anew, though it has not fallen`() {
        var book = book(100, at: 10, start: 5)
        #expect(book.read(key, value: 140, time: 20, startTime: 15) == .increment(140, since: 15, windowSum: 140))
        // A start before what was seen is the one that was known, told less exactly.
        #expect(book.read(key, value: 150, time: 30, startTime: 14) == .increment(10, since: 20, windowSum: 150))
    }

    @Test func `a start that is the point's own time is no start`() {
        var book = book(100, at: 10)
        #expect(book.read(key, value: 140, time: 20, startTime: 20) == .increment(40, since: 10, windowSum: 40))
        #expect(book.read(key, value: 141, time: 30, startTime: 31) == .increment(1, since: 20, windowSum: 41))
        #expect(book.read(key, value: 7, time: 40, startTime: 40) == .increment(7, since: 30, windowSum: 48))
    }

    @Test func `sums of the largest totals stay numbers`() {
        var book = book(0, at: 10)
        for round in Int64(0)..<3 {
            _ = book.read(key, value: .greatestFiniteMagnitude, time: 11 + 2 * round)
            let reading = book.read(key, value: 1, time: 12 + 2 * round)
            guard case .increment(_, _, let windowSum) = reading else {
                Issue.record("\(reading)")
                continue
            }
            #expect(windowSum.isFinite)
        }
    }

    @Test func `a window has the sum of its increments, before 1970 too`() {
        let second = CounterBookTests.second
        var book = book(100, at: 5 * second + 100, windowSum: 2)
        #expect(
            book.read(key, value: 103, time: 6 * second - 1) == .increment(3, since: 5 * second + 100, windowSum: 5))
        #expect(book.read(key, value: 104, time: 6 * second) == .increment(1, since: 6 * second - 1, windowSum: 1))
        var early = self.book(1, at: -second - 1, windowSum: 4)
        #expect(early.read(key, value: 2, time: -second) == .increment(1, since: -second - 1, windowSum: 1))
        #expect(early.read(key, value: 3, time: -1) == .increment(1, since: -second, windowSum: 2))
        #expect(early.read(key, value: 4, time: 0) == .increment(1, since: -1, windowSum: 1))
    }

    @Test func `the parts of a series are totals of their own`() {
        var book = book(100, at: 10)
        #expect(book.read(CounterKey(series: key.series, part: 1), value: 1, time: 11) == .first)
        #expect(book.read(key, value: 101, time: 11) == .increment(1, since: 10, windowSum: 1))
    }

    @Test func `times at the ends of what there is do no harm`() {
        var book = book(1, at: .min)
        #expect(book.read(key, value: 2, time: .max) == .increment(1, since: .min, windowSum: 1))
    }
}
