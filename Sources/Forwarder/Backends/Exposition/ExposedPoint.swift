/// A point as a page shows it: one line, or those of a histogram or summary.
struct ExposedPoint: Sendable, Equatable {
    struct Line: Sendable, Equatable {
        /// `name{label="value"}`.
        var series: [UInt8]
        /// How many bytes of it are the metric's name.
        var nameCount: Int
        /// Of a float64.
        var bits: UInt64

        var name: ArraySlice<UInt8> { series[..<nameCount] }
    }

    /// What it is known by: its line's series, or that of its count, which each histogram and summary has.
    var key: [UInt8]
    /// Nanoseconds since the epoch.
    var time: Int64
    /// None: the series has ended.
    var lines: [Line]
}
