/// Finds the times in which a backend that was owed points took none.
///
/// A row of deliveries tells when its points were first sent in the attempt that ended, and when the last of them was settled:
/// an attempt that failed leaves no row. So an outage is a gap between rows in which something was owed.
struct ReportOutages {
    private let firstSequence: Int64
    private let minutes: ReportMinutes
    /// Up to when all rows that were looked at are settled.
    private var settled: Int64?
    private(set) var all: [BackendReport.Outage] = []

    /// A row of deliveries spans 60 s at most, and a request may wait a while for its turn.
    static let shortest: Int64 = 90_000_000_000
    private static let maximumCount = 1000

    /// - Parameters:
    ///   - firstSequence: from which on it is owed points.
    ///   - minutes: all of them.
    init(from firstSequence: Int64, _ minutes: ReportMinutes) {
        self.firstSequence = firstSequence
        self.minutes = minutes
    }

    /// Rows come in the order in which they were begun.
    mutating func add(_ row: ReportDelivery) {
        // All of a row that waited for its answer was settled at its end; of another the first were at its start.
        let end = row.settledAt - row.firstAttemptAt > ReportOutages.shortest ? row.settledAt : row.firstAttemptAt
        if let start = start(of: row) { note(start, end, isOver: true) }
        settled = max(settled ?? .min, row.settledAt)
    }

    /// Nothing was owed meanwhile but what was left out.
    mutating func pass(_ row: ReportDelivery) {
        if let settled { self.settled = max(settled, row.settledAt) }
    }

    /// Since when the backend could have taken something before this row.
    private func start(of row: ReportDelivery) -> Int64? {
        guard let settled else { return minutes.firstReceipt(after: .min, from: row.firstSequence) }
        // A row that begins behind the last point of a sequence has that sequence for its first.
        if row.firstSequence < minutes.lastSequence(upTo: settled) { return settled }
        return minutes.firstReceipt(after: settled, from: firstSequence)
    }

    /// - Parameter owedSince: when the oldest of what is owed now was received.
    mutating func finish(now: Int64, owedSince: Int64?) {
        guard let owedSince else { return }
        note(max(owedSince, settled ?? .min), now, isOver: false)
    }

    private mutating func note(_ start: Int64, _ end: Int64, isOver: Bool) {
        let (length, isOverflow) = end.subtractingReportingOverflow(start)
        guard !isOverflow, length > ReportOutages.shortest else { return }
        if all.count >= ReportOutages.maximumCount { all.removeFirst() }
        all.append(
            BackendReport.Outage(
                start: start, end: end, isOver: isOver, pointsMeanwhile: minutes.points(from: start, to: end)))
    }
}

/// A row of deliveries, as far as a report needs it.
struct ReportDelivery {
    var firstSequence: Int64
    var points: Int64
    var firstAttemptAt: Int64
    var settledAt: Int64
}
