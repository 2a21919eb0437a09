import Glibc
import Synchronization

/// What sending a load came to.
struct SendResult {
    var samples = 0
    var requests = 0
    var failures = 0
    /// Statuses and how often, for the answers that were no success.
    var refused: [Int: Int] = [:]
    var seconds = 0.0
    /// Nanoseconds from due (or sent) to acknowledged, sorted.
    var latencies: [Int64] = []

    func latencyMilliseconds(_ quantile: Double) -> Double {
        guard !latencies.isEmpty else { return 0 }
        return Double(latencies[min(latencies.count - 1, Int(Double(latencies.count) * quantile))]) / 1e6
    }
}

/// Sends prepared requests over many connections, as fast as they are answered or at a given rate.
struct BenchSender {
    let target: BenchTarget
    let connections: Int
    /// Samples a second over all connections; 0 = as fast as possible.
    let rate: Double

    func send(_ load: BenchLoad) -> SendResult {
        send(load.bodies, samples: load.samples, requestsPerScrape: load.requestsPerScrape)
    }

    /// - Parameters:
    ///   - bodies: requests, scrape after scrape.
    ///   - samples: how many are in each.
    ///   - requestsPerScrape: the same place in two scrapes has the same series.
    func send(_ bodies: [[UInt8]], samples: [Int], requestsPerScrape: Int) -> SendResult {
        let turns = BenchTurns(count: bodies.count, slots: requestsPerScrape)
        let results = Mutex<[SendResult]>([])
        let start = BenchClock.now
        // By the samples before it: the last request of a scrape may be small.
        var samplesBefore = 0
        let due = samples.map { count in
            defer { samplesBefore += count }
            return rate > 0 ? start + Int64(1e9 * Double(samplesBefore) / rate) : 0
        }
        BenchThreads.concurrently(connections) { _ in
            var mine = SendResult()
            var connection = BenchConnection(target)
            while let index = turns.take() {
                defer { turns.finish(index) }
                var began = BenchClock.now
                if rate > 0 {
                    // From when it was due: a stall must not hide the requests that it kept from being sent.
                    began = due[index]
                    BenchClock.sleep(until: began)
                }
                mine.requests += 1
                let body = bodies[index]
                let status = connection?.exchange(head: BenchConnection.head(target, bodyBytes: body.count), body: body)
                if let status, (200..<300).contains(status) {
                    mine.samples += samples[index]
                    mine.latencies.append(BenchClock.now - began)
                } else {
                    mine.failures += 1
                    mine.refused[status ?? 0, default: 0] += 1
                    if status == nil { connection = BenchConnection(target) }
                }
            }
            results.withLock { $0.append(mine) }
        }
        var total = SendResult()
        total.seconds = Double(BenchClock.now - start) / 1e9
        for result in results.withLock({ $0 }) {
            total.samples += result.samples
            total.requests += result.requests
            total.failures += result.failures
            total.refused.merge(result.refused) { $0 + $1 }
            total.latencies += result.latencies
        }
        total.latencies.sort()
        return total
    }
}
