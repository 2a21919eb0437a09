/// The stretch of time that a report is about, cut into buckets of one width.
public struct ReportSpan: Sendable, Hashable {
    /// Nanoseconds on the wall clock, a multiple of `width`.
    public let start: Int64
    /// Nanoseconds, 60 s at least: rows of deliveries are no finer.
    public let width: Int64
    public let count: Int

    static let mostBuckets = 96
    private static let minute: Int64 = 60_000_000_000
    /// What people read off an axis, in minutes.
    private static let widths: [Int64] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 43_200]

    /// The buckets that a range of times touches.
    ///
    /// - Parameter range: nanoseconds since the epoch; what is before that is left out.
    public init(_ range: Range<Int64>) {
        let lower = max(0, range.lowerBound)
        let upper = max(lower + 1, range.upperBound)
        let most = Int64(ReportSpan.mostBuckets)
        let least = ReportSpan.widths.first { minutes in
            let width = minutes * ReportSpan.minute
            return (upper - 1) / width - lower / width < most
        }
        // Centuries: no axis for people any more.
        width = least.map { $0 * ReportSpan.minute } ?? (upper - lower) / (most - 1) + 1
        start = lower / width * width
        count = Int((upper - 1) / width - lower / width) + 1
    }

    public var end: Int64 { start + width * Int64(count) }

    /// - Returns: nil for a time outside.
    func index(of time: Int64) -> Int? {
        guard time >= start, time < end else { return nil }
        return Int((time - start) / width)
    }

    /// Calls `body` with the bucket of a time; one behind the last for what is later, and not at all for what is earlier.
    private func place(_ points: Int64, at time: Int64, _ body: (Int, Int64) -> Void) {
        if time >= start, points > 0 { body(index(of: time) ?? count, points) }
    }

    /// Lays out the points of a row of deliveries that grew from its start to its end, evenly. One that took longer than
    /// such rows grow came to its end at once.
    func spread(_ row: ReportDelivery, _ body: (Int, Int64) -> Void) {
        let length = row.settledAt - row.firstAttemptAt
        let border = row.settledAt / width * width
        guard (1...ReportOutages.shortest).contains(length), row.firstAttemptAt < border else {
            return place(row.points, at: row.settledAt, body)
        }
        let before = Int64(Double(row.points) * Double(border - row.firstAttemptAt) / Double(length))
        place(min(before, row.points), at: border - 1, body)
        place(row.points - min(before, row.points), at: border, body)
    }

    /// The start of a bucket.
    public func time(_ index: Int) -> Int64 { start + width * Int64(index) }
}
