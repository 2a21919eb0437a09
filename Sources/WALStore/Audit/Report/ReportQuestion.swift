extension AuditDatabase {
    /// What the books tell of a stretch of time.
    ///
    /// - Parameter now: nanoseconds on the wall clock, for what goes on. In a file that no node has everything stands still
    ///   since the last commit.
    /// - Throws: as `ask`; `.tooLarge` when there is more of something than a report holds.
    public func report(
        _ span: ReportSpan, now: Int64, _ limits: AuditLimits, isStopped: @escaping () -> Bool = { false }
    ) throws(AuditError) -> SpoolReport {
        var collector = ReportCollector(span, now: now, isLive: isLive)
        try ask(ReportQuestion.sql(span), limits, into: &collector, isStopped: isStopped)
        return collector.finished()
    }
}

/// One statement, so that all of a report is of one moment: a number says of what a row tells, and three texts and nine
/// integers are what it tells.
enum ReportQuestion {
    enum Part: Int64 {
        case spool, backend, owedSince, stored, receipts, deliveries, deadLetters, losses, refusals, senders, events
    }

    static let textColumn = 1
    static let numberColumn = 4
    private static let numbers = 9

    static let mostSenders = 20
    static let mostEvents = 200

    static func sql(_ span: ReportSpan) -> String {
        let (start, end, width) = (span.start, span.end, span.width)
        func during(_ column: String) -> String { "\(column) >= \(start) AND \(column) < \(end)" }
        let parts = [
            select(.spool, ["tenant"], ["created_wall", "clock_wall"], "FROM main.spool"),
            select(
                .backend, ["name", "type"],
                ["attached", "owed", "delivered", "assumed", "pending", "dead", "lost", "excluded", "first_sequence"],
                "FROM backends"),
            // What is pending is stored: in the row that begins last before it, or when that ends there, in the next one.
            select(
                .owedSince, ["backend"],
                [
                    """
                    min((SELECT received_wall FROM main.batches WHERE position + points > p.first_position AND sequence >=
                        coalesce((SELECT max(sequence) FROM main.batches WHERE sequence <= p.first_sequence), 0)
                        ORDER BY sequence LIMIT 1))
                    """
                ], "FROM pending p GROUP BY backend"),
            select(
                .stored, [], ["count(*)", "sum(points)", "sum(bytes)", "min(received_time)"], "FROM batches"),
            // Both of all time: what is owed is counted back from now, and an outage may have begun before.
            select(
                .receipts, [],
                [
                    "min(received_time)", requests, "sum(points)", "sum(refused_points)", "sum(body_bytes)",
                    "max(sequence)", "max(received_time)",
                ], "FROM receipts GROUP BY received_time / \(ReportMinutes.width)"),
            select(
                .deliveries, ["backend", "outcome"],
                ["settled_time", "first_attempt_time", "points", "first_sequence"], "FROM deliveries"),
            select(
                .deadLetters, ["backend", "reason"], ["count(*)", "min(buried_time)", "max(buried_time)"],
                "FROM dead_letters WHERE buried_time >= \(start) GROUP BY backend, reason, buried_time / \(width)"),
            select(
                .losses, ["backend", "reason"], ["points", "lost_time"], "FROM losses WHERE lost_time >= \(start)"),
            select(
                .refusals, ["NULL", "reason"], ["sum(points)", "min(received_time)", "max(received_time)"],
                "FROM refusals WHERE \(during("received_time")) GROUP BY reason"),
            """
            SELECT * FROM (\(select(
                .senders, ["source", "\(host) AS host"], [requests, "sum(points) AS most"],
                "FROM receipts WHERE \(during("received_time")) GROUP BY source, \(host)"))
                ORDER BY most DESC, source, host LIMIT \(mostSenders))
            """,
            """
            SELECT * FROM (\(select(
                .events, ["kind", "detail"], ["time", "id AS number"], "FROM events WHERE \(during("time"))"))
                ORDER BY number DESC LIMIT \(mostEvents))
            """,
        ]
        return parts.joined(separator: "\nUNION ALL ")
    }

    /// Without the port, which is another for each connection; that of a scrape's target is its own.
    private static let host =
        "iif(source <> 'scrape' AND peer GLOB '*:[0-9]*', rtrim(rtrim(peer, '0123456789'), ':'), peer)"
    /// One over many batches has a receipt for each.
    private static let requests = "count(*) FILTER (WHERE request_part = 0)"

    private static func select(_ part: Part, _ texts: [String], _ integers: [String], _ from: String) -> String {
        let texts = texts + Array(repeating: "NULL", count: numberColumn - textColumn - texts.count)
        let integers = integers + Array(repeating: "NULL", count: numbers - integers.count)
        return "SELECT \(part.rawValue), \((texts + integers).joined(separator: ", ")) \(from)"
    }
}
