/// What the timestamps of a body count, under every name the three generations of the API use.
/// <https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint>
public enum LinePrecision: Sendable, Hashable {
    case nanoseconds, microseconds, milliseconds, seconds, minutes, hours
    /// By size, as version 3 guesses: below 5e9 seconds, 5e12 milliseconds, 5e15 microseconds, else nanoseconds.
    case automatic

    /// From the query parameter `precision`; nil when no API knows the name.
    public init?(name: String) {
        switch name {
        case "n", "ns", "nanosecond": self = .nanoseconds
        case "u", "us", "microsecond": self = .microseconds
        case "ms", "millisecond": self = .milliseconds
        case "s", "second": self = .seconds
        case "m": self = .minutes
        case "h": self = .hours
        case "auto": self = .automatic
        default: return nil
        }
    }

    /// Nanoseconds since the epoch, or nil outside what InfluxDB can store: the two lowest and the highest int64 have
    /// a meaning of their own there.
    @inline(__always)
    func nanoseconds(_ value: Int64) -> Int64? {
        let (time, over) = value.multipliedReportingOverflow(by: scale(of: value))
        return over || time < -9_223_372_036_854_775_806 || time > 9_223_372_036_854_775_806 ? nil : time
    }

    private func scale(of value: Int64) -> Int64 {
        switch self {
        case .nanoseconds: 1
        case .microseconds: 1000
        case .milliseconds: 1_000_000
        case .seconds: 1_000_000_000
        case .minutes: 60_000_000_000
        case .hours: 3_600_000_000_000
        case .automatic:
            switch value.magnitude {
            case ..<5_000_000_000: 1_000_000_000
            case ..<5_000_000_000_000: 1_000_000
            case ..<5_000_000_000_000_000: 1000
            default: 1
            }
        }
    }
}
