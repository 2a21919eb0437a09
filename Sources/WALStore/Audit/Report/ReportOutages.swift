/// Finds the times in which a backend took nothing: deliveries that took long from their first attempt.
struct ReportOutages {
    private var found: [BackendReport.Outage] = []

    /// A row of deliveries spans 60 s of them at most: one of more was one that had to wait.
    static let shortest: Int64 = 90_000_000_000
    private static let maximumCount = 1000

    /// Rows come in the order in which they were settled.
    mutating func add(from start: Int64, to end: Int64, _ points: Int64) {
        guard end - start > ReportOutages.shortest else { return }
        var outage = BackendReport.Outage(start: start, end: end, points: points)
        // Many requests wait for one return.
        while let last = found.last, last.end >= outage.start || found.count >= ReportOutages.maximumCount {
            outage.start = min(outage.start, last.start)
            outage.points += last.points
            found.removeLast()
        }
        found.append(outage)
    }

    var all: [BackendReport.Outage] { found }
}
