/// Takes the rows of `ReportQuestion`.
struct ReportCollector: AuditAnswer {
    private var report: SpoolReport
    private var tallies = ReportTallies()
    /// Points that were accepted, by the time of their bucket; rising.
    private var accepted: [(time: Int64, points: Int64, lastSequence: Int64)] = []
    private var sides: [BackendSide] = []

    /// What a backend's chart is made of.
    private struct BackendSide {
        let firstSequence: Int64
        /// Points that came to an end of any kind, by bucket; the last is behind the span.
        var settled: [Int64]
        var outages = ReportOutages()
    }

    /// Buckets of receipts, of all time.
    private static let maximumBuckets = 2_000_000

    init(_ span: ReportSpan) { report = SpoolReport(span) }

    mutating func begin(columns: [String]) {}
    mutating func end() {}

    mutating func add(_ row: AuditAnswerRow, nanosecondsLeft: () -> Int64) throws(AuditError) {
        guard let part = row[0].integer.flatMap(ReportQuestion.Part.init) else { return }
        func text(_ index: Int) -> String? { row[ReportQuestion.textColumn + index].string }
        func number(_ index: Int) -> Int64? { row[ReportQuestion.numberColumn + index].integer }
        func count(_ index: Int) -> Int64 { max(0, number(index) ?? 0) }
        switch part {
        case .spool:
            report.tenant = text(0) ?? ""
            report.createdAt = number(0) ?? 0
        case .backend:
            let fates: [PointFate] = [.delivered, .assumed, .pending, .dead, .lost, .excluded]
            let points = fates.enumerated().map { ($1, number($0 + 2) ?? 0) }
            let name = text(0) ?? ""
            report.backends.append(
                BackendReport(
                    name: name, type: text(1) ?? "", isAttached: number(0) == 1,
                    books: AuditBooks(
                        backend: name, owed: number(1) ?? 0, points: Dictionary(uniqueKeysWithValues: points)),
                    deliveredPoints: Array(repeating: 0, count: report.span.count)))
            sides.append(
                BackendSide(
                    firstSequence: number(8) ?? 0, settled: Array(repeating: 0, count: report.span.count + 1)))
        case .owedSince:
            if let index = index(of: text(0)) { report.backends[index].owedSince = number(0) }
        case .stored:
            report.stored = SpoolReport.Stored(
                rows: count(0), points: count(1), blockBytes: count(2), since: number(3))
        case .receipts:
            let time = number(0) ?? 0
            guard accepted.count < ReportCollector.maximumBuckets else {
                throw AuditError(.tooLarge, "the receipts are of too long a time")
            }
            accepted.append((time, count(2), number(5) ?? 0))
            report.knownSince = min(report.knownSince ?? time, time)
            guard let bucket = report.span.index(of: time) else { return }
            report.requests[bucket] += count(1)
            report.acceptedPoints[bucket] += count(2)
            report.refusedPoints[bucket] += count(3)
            report.bodyBytes += count(4)
        case .deliveries: addDelivery(text(0), text(1), at: number(0) ?? 0, since: number(1) ?? 0, count(2))
        case .deadLetters:
            settle(text(0), count(0), at: number(1) ?? 0)
            add(.dead, backend: text(0), text(1), count(0), number(1), number(2))
        case .losses:
            // A loss of no backend is one of each, unless it never had a place.
            if let backend = text(0) { settle(backend, count(0), at: number(1) ?? 0) }
            add(.lost, backend: text(0), text(1), number(0), number(1), number(1))
        case .refusals: tallies.add(.refused, nil, text(1) ?? "", count(0), number(1), number(2))
        case .senders:
            report.senders.append(
                SpoolReport.Sender(
                    source: text(0) ?? "", peer: text(1) ?? "", requests: count(0), points: count(1)))
        case .events:
            report.events.insert(
                SpoolReport.Event(at: number(0) ?? 0, kind: text(0) ?? "", detail: text(1) ?? ""), at: 0)
        }
    }

    private func index(of backend: String?) -> Int? { report.backends.firstIndex { $0.name == backend } }

    private mutating func addDelivery(
        _ backend: String?, _ outcome: String?, at: Int64, since: Int64, _ points: Int64
    ) {
        settle(backend, points, at: at)
        guard outcome == "confirmed", let index = index(of: backend) else { return }
        if let bucket = report.span.index(of: at) { report.backends[index].deliveredPoints[bucket] += points }
        if since < report.span.end { sides[index].outages.add(from: since, to: at, points) }
    }

    private mutating func settle(_ backend: String?, _ points: Int64, at: Int64) {
        guard at >= report.span.start, let index = index(of: backend) else { return }
        sides[index].settled[report.span.index(of: at) ?? report.span.count] += points
    }

    private mutating func add(
        _ kind: ReportTallies.Kind, backend: String?, _ reason: String?, _ points: Int64?, _ first: Int64?,
        _ last: Int64?
    ) {
        guard let first, report.span.index(of: first) != nil else { return }
        tallies.add(kind, backend, reason ?? "", points, first, last)
    }

    // MARK: The whole

    func finished() -> SpoolReport {
        var report = report
        report.deadLetters = tallies.all(.dead)
        report.losses = tallies.all(.lost)
        report.refusals = tallies.all(.refused)
        for index in report.backends.indices {
            report.backends[index].outages = sides[index].outages.all
            if report.backends[index].isAttached {
                report.backends[index].owedPoints = owed(report.backends[index], sides[index])
            }
        }
        return report
    }

    /// From now back: what was owed before a bucket is what was owed behind it, less what came, and what was settled.
    private func owed(_ backend: BackendReport, _ side: BackendSide) -> [Int64] {
        let span = report.span
        var came = [Int64](repeating: 0, count: span.count + 1)
        for bucket in accepted where bucket.time >= span.start && bucket.lastSequence >= side.firstSequence {
            came[span.index(of: bucket.time) ?? span.count] += bucket.points
        }
        var owed = [Int64](repeating: 0, count: span.count)
        var now = backend.books.points[.pending] ?? 0
        for bucket in stride(from: span.count, to: 0, by: -1) {
            now += side.settled[bucket] - came[bucket]
            // Dead letters that were sent again are in no book any more.
            owed[bucket - 1] = max(0, now)
        }
        return owed
    }
}
