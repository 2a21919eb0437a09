import Metrics
import WALStore

/// Puts what the books tell into words, tables and charts.
struct ReportContent {
    private let report: SpoolReport
    private let madeAt: Int64
    private var page: ReportPage

    static func page(_ report: SpoolReport, madeAt: Int64) -> ReportPage {
        var content = ReportContent(report: report, madeAt: madeAt)
        content.addAll()
        return content.page
    }

    private init(report: SpoolReport, madeAt: Int64) {
        self.report = report
        self.madeAt = madeAt
        page = ReportPage(title: "Holdfast report: \(report.tenant)")
    }

    private mutating func addAll() {
        let span = report.span
        text(
            """
            From \(ReportContent.time(span.start)) to \(ReportContent.time(span.end)), UTC, in steps of \(ReportContent.width(span)). Made \
            \(ReportContent.time(madeAt)) by Holdfast \(HoldfastVersion.text).
            """)
        addSummary()
        addBackends()
        addCharts()
        addOutages()
        tally("Losses", report.losses, none: "Nothing was lost.")
        tally(
            "Dead letters", report.deadLetters,
            none: "No backend refused a point for good, or what it refused was sent again or deleted.")
        tally("Refused as invalid", report.refusals, isOfBackends: false, none: "No point was.")
        addSenders()
        addEvents()
    }

    private mutating func heading(_ title: String) { page.parts.append(.heading(title)) }
    private mutating func text(_ text: String) { page.parts.append(.text(text)) }
    private mutating func table(_ header: [(String, TextTable.Alignment)], _ rows: [[String]]) {
        page.parts.append(.table(ReportTable(header: header, rows: rows)))
    }

    // MARK: Numbers

    private mutating func addSummary() {
        let sum = { (counts: [Int64]) in counts.reduce(0, +) }
        let uneven = report.backends.filter { $0.books.difference != 0 }
        let stored = report.stored
        heading("At a glance")
        table(
            [("What", .left), ("How much", .left)],
            [
                [
                    "Accepted",
                    """
                    \(Amount.count(sum(report.acceptedPoints), "point")) in \(Amount.count(sum(report.requests), "request")) of \
                    \(Amount.bytes(report.bodyBytes))
                    """,
                ],
                ["Refused as invalid", Amount.count(sum(report.refusedPoints), "point")],
                [
                    "Stored now",
                    """
                    \(Amount.count(stored.points, "point")), \(Amount.bytes(stored.blockBytes)) compressed, received since \
                    \(ReportContent.time(stored.since))
                    """,
                ],
                ["Requests are known since", ReportContent.time(report.knownSince)],
                [
                    "The books",
                    uneven.isEmpty
                        ? "add up for every backend"
                        : "DO NOT ADD UP for \(uneven.map(\.name).joined(separator: ", ")): see holdfast doctor",
                ],
            ])
    }

    private mutating func addBackends() {
        heading("Backends")
        guard !report.backends.isEmpty else { return text("There is none.") }
        table(
            [
                ("Backend", .left), ("Type", .left), ("Delivered", .right), ("Owed at the end", .right),
                ("Owed now since", .left), ("Outages", .right), ("The longest", .right),
            ],
            report.backends.map { backend in
                let longest = backend.outages.map { $0.end - $0.start }.max()
                return [
                    backend.name, backend.isAttached ? backend.type : "\(backend.type), detached",
                    Amount.count(backend.deliveredPoints.reduce(0, +)),
                    backend.owedPoints.last.map(Amount.count) ?? "-", ReportContent.time(backend.owedSince),
                    Amount.count(Int64(backend.outages.count)),
                    longest.map { Amount.duration(seconds: Double($0) / 1e9) } ?? "-",
                ]
            })
        text("Since each backend was first named: owed = delivered + assumed + pending + dead + lost + excluded.")
        table(
            [("Backend", .left), ("Owed", .right)] + AuditBooks.fates.map { ($0.rawValue.capitalizedASCII, .right) }
                + [("Difference", .right)],
            report.backends.map { backend in
                let books = backend.books
                let numbers = [books.owed] + AuditBooks.fates.map { books.points[$0] ?? 0 } + [books.difference]
                return [backend.name] + numbers.map(Amount.count)
            })
    }

    private mutating func addCharts() {
        let span = report.span
        heading("Points in")
        chart(
            "Points accepted, and refused as invalid", .rate,
            [("accepted", report.acceptedPoints), ("refused", report.refusedPoints)])
        heading("Points out")
        chart("Points delivered, by backend", .rate, report.backends.map { ($0.name, $0.deliveredPoints) })
        heading("Backlog")
        chart(
            "Points owed, by backend", .points,
            report.backends.filter { $0.owedPoints.count == span.count }.map { ($0.name, $0.owedPoints) })
    }

    private mutating func chart(_ title: String, _ unit: ReportChart.Unit, _ counts: [(String, [Int64])]) {
        guard !counts.isEmpty else { return text("There is no backend.") }
        page.parts.append(.chart(ReportChart(title, unit, report.span, counts)))
    }

    // MARK: Lists

    private mutating func addOutages() {
        heading("Outages")
        let outages = report.backends.flatMap { backend in backend.outages.map { (backend.name, $0) } }
        guard !outages.isEmpty else { return text("No backend that was owed points took none for 90 s.") }
        table(
            [
                ("Backend", .left), ("From", .left), ("To", .left), ("Length", .right),
                ("Came in meanwhile", .right),
            ],
            outages.sorted { $0.1.start < $1.1.start }.map { name, outage in
                [
                    name, ReportContent.time(outage.start), outage.isOver ? ReportContent.time(outage.end) : "goes on",
                    Amount.duration(seconds: Double(outage.end - outage.start) / 1e9),
                    Amount.count(outage.pointsMeanwhile),
                ]
            })
    }

    private mutating func tally(
        _ title: String, _ tallies: [SpoolReport.Tally], isOfBackends: Bool = true, none: String
    ) {
        heading(title)
        guard !tallies.isEmpty else { return text(none) }
        table(
            (isOfBackends ? [("Backend", .left)] : []) + [
                ("Why", .left), ("Points", .right), ("First", .left), ("Last", .left),
            ],
            tallies.map { tally in
                (isOfBackends ? [tally.backend ?? "all"] : []) + [
                    tally.reason, tally.points.map(Amount.count) ?? "not known", ReportContent.time(tally.firstAt),
                    ReportContent.time(tally.lastAt),
                ]
            })
    }

    private mutating func addSenders() {
        heading("Senders")
        guard !report.senders.isEmpty else { return text("Nobody sent anything.") }
        table(
            [("Through", .left), ("From", .left), ("Requests", .right), ("Points", .right)],
            report.senders.map { [$0.source, $0.peer, Amount.count($0.requests), Amount.count($0.points)] })
    }

    private mutating func addEvents() {
        heading("Events")
        guard !report.events.isEmpty else { return text("None.") }
        table(
            [("When", .left), ("What", .left), ("Detail", .left)],
            report.events.map { [ReportContent.time($0.at), $0.kind, $0.detail] })
    }

    /// `1 minute`, `30 minutes`, `2 days`.
    private static func width(_ span: ReportSpan) -> String {
        let minutes = span.width / 60_000_000_000
        for (unit, length) in [("day", 1440), ("hour", 60)] as [(String, Int64)] where minutes % length == 0 {
            return "\(minutes / length) \(unit)\(minutes == length ? "" : "s")"
        }
        return "\(minutes) minute\(minutes == 1 ? "" : "s")"
    }

    /// To the second: `2026-01-31 12:00:00`.
    private static func time(_ time: Int64?) -> String {
        guard let time else { return "-" }
        return String(Timestamp.text(time).prefix(19).map { $0 == "T" ? " " : $0 })
    }
}

extension String {
    /// With a capital letter, of a word in ASCII.
    fileprivate var capitalizedASCII: String { prefix(1).uppercased() + dropFirst() }
}
