/// What a lane (one tenant's deliveries to one backend) is doing and has done since the process started.
public struct LaneStatus: Sendable, Hashable {
    public enum State: Sendable, Hashable {
        case ok
        /// Attempts fail; the next one is due at `until`, wall clock, nanoseconds since the epoch.
        case backingOff(until: Int64)
        /// An operator must act; the next probe is due at `probe`.
        case held(because: String, probe: Int64)
    }

    public var tenant: String
    public var backend: String
    /// The backend's type, as in the config.
    public var type: String
    public var state = State.ok
    /// Failed attempts since the last success.
    public var attempts = 0
    /// So many of them that only one request at a time is tried.
    public var isFailing: Bool { attempts >= Breaker.threshold }
    /// What the last failed attempt said; empty once one succeeds.
    public var lastError = ""
    /// Requests and points on their way at this moment.
    public var requestsInFlight = 0
    public var pointsInFlight = 0
    public var counters = LaneCounters()
    /// Delivered points a second, averaged over about half a minute.
    public var pointsPerSecond: Double = 0

    public init(tenant: String, backend: String, type: String) {
        self.tenant = tenant
        self.backend = backend
        self.type = type
    }
}

/// Sums since the process started; what must outlive it is in the spool's ledger.
public struct LaneCounters: Sendable, Hashable {
    public var requests: UInt64 = 0
    /// By what the answer asked for: `delivered`, `partly`, `retry`, `too_large`, `refused`, `encode_anew`, `stuck`, `hold`.
    public var answers: [String: UInt64] = [:]
    public var deliveredPoints: UInt64 = 0
    public var assumedPoints: UInt64 = 0
    public var deadPoints: UInt64 = 0
    public var excludedPoints: UInt64 = 0
    /// Bodies before and after compression, retries included.
    public var rawBytes: UInt64 = 0
    public var sentBytes: UInt64 = 0
    public var latency = LatencyHistogram()

    public init() {}
}

/// How long answers took. Buckets as Prometheus has them: each counts what is at most its bound.
public struct LatencyHistogram: Sendable, Hashable {
    public static let boundsSeconds: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    /// One a bound, not cumulative, and one for what is slower; empty until something is recorded.
    public private(set) var counts: [UInt64] = []
    public private(set) var sumSeconds: Double = 0
    public var count: UInt64 { counts.reduce(0, +) }

    public init() {}

    public mutating func record(seconds: Double) {
        if counts.isEmpty { counts = Array(repeating: 0, count: LatencyHistogram.boundsSeconds.count + 1) }
        let slot = LatencyHistogram.boundsSeconds.firstIndex { seconds <= $0 } ?? LatencyHistogram.boundsSeconds.count
        counts[slot] += 1
        sumSeconds += seconds
    }
}
