import TestSupport
import Testing

@testable import Forwarder

struct BackoffTests {
    let backoff = Backoff(base: .milliseconds(100), cap: .seconds(60), retryAfterBound: .seconds(3600))

    @Test func `the wait is uniform between nothing and a ceiling that doubles up to the cap`() {
        var random = SeededGenerator.fresh()
        for (attempts, ceiling) in [(1, 0.1), (2, 0.2), (5, 1.6), (10, 51.2), (11, 60.0), (500, 60.0), (Int.max, 60.0)]
        {
            let waits = (0..<2000).map { _ in
                backoff.delay(attempts: attempts, retryAfter: nil, using: &random) / .seconds(1)
            }
            let mean = waits.reduce(0, +) / Double(waits.count)
            // Six standard errors of the mean of 2000 uniform draws: 0.039 of the ceiling.
            #expect(abs(mean - ceiling / 2) < ceiling * 0.039, "seed \(random.seed), attempts \(attempts)")
            #expect(waits.allSatisfy { $0 >= 0 && $0 <= ceiling }, "seed \(random.seed)")
            #expect((waits.min() ?? 1) < ceiling * 0.05 && (waits.max() ?? 0) > ceiling * 0.95, "seed \(random.seed)")
        }
    }

    @Test func `what the backend asked for wins, also beyond the cap, up to a bound`() {
        var random = SeededGenerator.fresh()
        for _ in 0..<100 {
            let asked = backoff.delay(attempts: 1, retryAfter: .seconds(300), using: &random)
            #expect(asked >= .seconds(300) && asked <= .seconds(330), "seed \(random.seed)")
            let absurd = backoff.delay(attempts: 1, retryAfter: .seconds(1 << 40), using: &random)
            #expect(absurd >= .seconds(3600) && absurd <= .seconds(3960), "seed \(random.seed)")
        }
    }

    @Test(arguments: [(-5, 0), (0, 0), (40, 40), (3600, 3600), (3960, 3960), (3961, 60), (400 * 86_400, 60)])
    func `a wait that was noted goes on, and one longer than any is the clock's`(_ noted: Int64, _ left: Int64) {
        #expect(backoff.left(of: noted * 1_000_000_000) == .seconds(left))
    }

    @Test(arguments: [
        ("120", 120), ("0", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 37), ("Sun, 06 Nov 1994 08:48:00 GMT", 0),
        ("Mon, 07 Nov 1994 08:49:00 GMT", 86_400), ("99999999999999", 1 << 40),
    ])
    func `Retry-After is read as seconds or as a date`(_ value: String, _ seconds: Int64) {
        // 1994-11-06 08:49:00 UTC, the date of RFC 9110's example with no seconds.
        let now: Int64 = 784_111_740_000_000_000
        #expect(RetryAfter.parse(value, now: now) == .seconds(seconds))
    }

    @Test(arguments: [
        "", "-1", "+5", "soon", "1.5", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:00:00 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
        "99999999999999999999999",
    ])
    func `anything else in Retry-After is ignored`(_ value: String) {
        #expect(RetryAfter.parse(value, now: 0) == nil)
    }

    @Test func `dates count leap years as the calendar does`() {
        #expect(RetryAfter.httpDate("Thu, 01 Jan 1970 00:00:00 GMT") == 0)
        #expect(RetryAfter.httpDate("Tue, 29 Feb 2000 00:00:00 GMT") == 951_782_400)
        #expect(RetryAfter.httpDate("Mon, 01 Mar 2100 00:00:00 GMT") == 4_107_542_400)
    }
}

struct BreakerTests {
    @Test func `three failures in a row leave one request at a time, until one succeeds`() {
        var breaker = Breaker()
        breaker.failed()
        breaker.failed()
        #expect(breaker.concurrency(allowed: 4) == 4)
        breaker.failed()
        breaker.failed()
        #expect(breaker.concurrency(allowed: 4) == 1)
        #expect(breaker.openings == 1)
        breaker.succeeded()
        #expect(breaker.concurrency(allowed: 4) == 4)
        breaker.failed()
        #expect(!breaker.isOpen)
    }
}
