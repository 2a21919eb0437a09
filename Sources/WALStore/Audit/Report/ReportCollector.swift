/// Takes the rows of `ReportQuestion`.
struct ReportCollector: AuditAnswer {
    private var report: SpoolReport
    private var now: Int64
    private let isLive: Bool
    private var tallies = ReportTallies()
    private var minutes = ReportMinutes()
    private var sides: [BackendSide] = []

    /// What a backend's chart and its outages are made of.
    private struct BackendSide {
        let firstSequence: Int64
        /// Points that came to an end of any kind, by bucket; the last is behind the span.
        var settled: [Int64]
        var outages: ReportOutages?
    }

    init(_ span: ReportSpan, now: Int64, isLive: Bool) {
        report = SpoolReport(span)
        self.now = now
        self.isLive = isLive
    }

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
            if !isLive { now = min(now, number(1) ?? now) }
        case .backend:
            let points = AuditBooks.fates.enumerated().map { ($1, number($0 + 2) ?? 0) }
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
            try minutes.add(
                ReportMinutes.Minute(
                    firstAt: time, lastAt: number(6) ?? time, points: count(2), lastSequence: number(5) ?? 0))
            report.knownSince = min(report.knownSince ?? time, time)
            guard let bucket = report.span.index(of: time) else { return }
            report.requests[bucket] += count(1)
            report.acceptedPoints[bucket] += count(2)
            report.refusedPoints[bucket] += count(3)
            report.bodyBytes += count(4)
        case .deliveries:
            add(
                ReportDelivery(
                    firstSequence: number(3) ?? 0, points: count(2), firstAttemptAt: number(1) ?? 0,
                    settledAt: number(0) ?? 0), backend: text(0), outcome: text(1))
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

    private mutating func add(_ row: ReportDelivery, backend: String?, outcome: String?) {
        guard let index = index(of: backend), row.settledAt >= row.firstAttemptAt else { return }
        let isConfirmed = outcome == "confirmed"
        report.span.spread(row) { bucket, points in
            sides[index].settled[bucket] += points
            if isConfirmed, bucket < report.span.count { report.backends[index].deliveredPoints[bucket] += points }
        }
        if sides[index].outages == nil {
            sides[index].outages = ReportOutages(from: sides[index].firstSequence, minutes)
        }
        // What is left out was never sent: it neither ends an outage nor lies in one.
        if outcome == "excluded" { sides[index].outages?.pass(row) } else { sides[index].outages?.add(row) }
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
            report.backends[index].outages = outages(report.backends[index], sides[index])
            if report.backends[index].isAttached {
                report.backends[index].owedPoints = owed(report.backends[index], sides[index])
            }
        }
        return report
    }

    private func outages(_ backend: BackendReport, _ side: BackendSide) -> [BackendReport.Outage] {
        var outages = side.outages ?? ReportOutages(from: side.firstSequence, minutes)
        if backend.isAttached { outages.finish(now: now, owedSince: backend.owedSince) }
        return outages.all.filter { $0.start < report.span.end && $0.end > report.span.start }
    }

    /// From now back: what was owed before a bucket is what was owed behind it, less what came, and what was settled.
    private func owed(_ backend: BackendReport, _ side: BackendSide) -> [Int64] {
        let span = report.span
        var came = [Int64](repeating: 0, count: span.count + 1)
        for minute in minutes.all where minute.firstAt >= span.start && minute.lastSequence >= side.firstSequence {
            came[span.index(of: minute.firstAt) ?? span.count] += minute.points
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
