import Metrics

/// One running total at one backend: a series, or a part of one that is several totals (a bucket of a histogram).
public struct CounterKey: Sendable, Hashable {
    public var series: SeriesKey
    /// 0 for the value of a plain counter; else as the backend numbers the totals of a point.
    public var part: UInt32

    public init(series: SeriesKey, part: UInt32 = 0) {
        self.series = series
        self.part = part
    }
}

/// How far a backend that wants increments has been told of a running total: the last point of it that the backend took.
///
/// Written in the transaction that settles that point, so that neither a restart nor a request sent again counts an
/// increment twice, or never.
public struct CounterState: Sendable, Hashable {
    /// The total.
    public var value: Double
    /// Of the point, nanoseconds since the epoch.
    public var time: Int64
    /// When the total began to be counted, nanoseconds since the epoch; 0 when the sender did not say.
    public var startTime: Int64
    /// The increments that were sent for the window of time that `time` is in, for a backend where what comes later for a
    /// window takes the place of what came before.
    public var windowSum: Double

    public init(value: Double, time: Int64, startTime: Int64 = 0, windowSum: Double = 0) {
        self.value = value
        self.time = time
        self.startTime = startTime
        self.windowSum = windowSum
    }
}
