import Synchronization

/// A number that only rises.
final class Counter: Sendable {
    private let value = Atomic<UInt64>(0)
    init() {}

    func add(_ amount: Int = 1) {
        guard amount > 0 else { return }
        value.wrappingAdd(UInt64(amount), ordering: .relaxed)
    }
    var total: UInt64 { value.load(ordering: .relaxed) }
}

/// A number that goes both ways.
final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)
    init() {}

    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// How long things took, in buckets with fixed upper bounds.
final class DurationHistogram: Sendable {
    /// 100 µs to 30 s: an fsync on flash at one end, a request's time-out at the other.
    static let boundsSeconds: [Double] = [
        0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]
    private static let boundsNanoseconds = boundsSeconds.map { Int64(($0 * 1e9).rounded()) }

    /// One a bound, and one for what is longer than all.
    private let buckets: [Counter] = (0...boundsSeconds.count).map { _ in Counter() }
    private let nanoseconds = Atomic<UInt64>(0)
    init() {}

    func record(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        record(nanoseconds: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    func record(nanoseconds elapsed: Int64) {
        let clamped = max(0, elapsed)
        let bucket = Self.boundsNanoseconds.firstIndex { clamped <= $0 } ?? Self.boundsNanoseconds.count
        buckets[bucket].add(1)
        nanoseconds.wrappingAdd(UInt64(clamped), ordering: .relaxed)
    }

    struct Snapshot {
        /// Not cumulative; the last one is everything longer than all bounds.
        var counts: [UInt64]
        var sumSeconds: Double
        var count: UInt64 { counts.reduce(0, +) }
    }
    var snapshot: Snapshot {
        Snapshot(
            counts: buckets.map(\.total), sumSeconds: Double(nanoseconds.load(ordering: .relaxed)) / 1e9)
    }
}
