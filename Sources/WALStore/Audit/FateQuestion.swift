/// Which points a question about their fate is of.
public struct FateRequest: Sendable {
    /// As Prometheus writes it; nil: all that was accepted, whether or not it is still stored.
    public var selector: String?
    /// Nanoseconds, of the points themselves; only with a selector.
    public var measured: Range<Int64>?
    /// Nanoseconds, when their requests were received.
    public var received: Range<Int64>?

    public init(selector: String? = nil, measured: Range<Int64>? = nil, received: Range<Int64>? = nil) {
        self.selector = selector
        self.measured = measured
        self.received = received
    }
}

/// What is known of the points that were asked for.
public struct FateAnswer: Sendable {
    /// By backend, in the order of the config's first mention, and there by fate.
    public var counts: [FateCount] = []
    public var points: Int64 = 0
    /// Since when requests are still known, nanoseconds on the wall clock; nil when none is.
    public var knownSince: Int64?
}

extension AuditDatabase {
    /// What became of points at each backend, as of one moment.
    ///
    /// - Throws: as `ask`; `.tooLarge` when the ledger has more runs of places than can be held.
    public func fates(
        _ request: FateRequest, _ limits: AuditLimits, isStopped: @escaping () -> Bool = { false }
    ) throws(AuditError) -> FateAnswer {
        var collector = FateCollector(knowsSeries: request.selector != nil)
        try ask(request.sql, limits, into: &collector, isStopped: isStopped)
        return collector.answer
    }
}

extension FateRequest {
    /// One statement, so that the books and the points are of one moment. Its parts come in their order: first all that tells of
    /// places, then the places that are asked for.
    var sql: String {
        """
        SELECT 0, name, first_sequence, 0, 0, 0, NULL, NULL, NULL, NULL FROM backends
        UNION ALL SELECT 1, backend, first_sequence, first_ordinal, end_sequence, end_ordinal, settled_time,
            outcome || ' ' || coalesce(reason, ''), points, NULL FROM deliveries
        UNION ALL SELECT 2, backend, first_sequence, first_ordinal, end_sequence, end_ordinal, NULL, '', NULL, NULL FROM pending
        UNION ALL SELECT 3, backend, sequence, ordinal, sequence, ordinal + 1, buried_time, reason, NULL, NULL FROM dead_letters
        UNION ALL SELECT 4, backend, first_sequence, first_ordinal, end_sequence, end_ordinal, lost_time, reason, NULL, NULL
            FROM losses WHERE first_sequence IS NOT NULL
        UNION ALL SELECT 5, NULL, 0, 0, 0, 0, min(received_time), NULL, NULL, NULL FROM receipts
        UNION ALL \(wanted)
        """
    }

    private var wanted: String {
        guard let selector else {
            let terms = ["points > 0"] + FateRequest.terms("received_time", received)
            return """
                SELECT 6, NULL, sequence, first_ordinal, sequence, first_ordinal + points, received_time, NULL, NULL, NULL FROM receipts
                WHERE \(terms.joined(separator: " AND "))
                """
        }
        var terms = ["TRUE"] + FateRequest.terms("time", measured)
        if let received {
            let receipts = FateRequest.terms("received_time", received).joined(separator: " AND ")
            terms.append("sequence >= (SELECT min(sequence) FROM receipts WHERE \(receipts))")
            terms.append("sequence <= (SELECT max(sequence) FROM receipts WHERE \(receipts))")
        }
        return """
            SELECT 6, NULL, sequence, ordinal, sequence, ordinal + 1, time, NULL, kept_back_by, rules_asked
            FROM points('\(selector.replacing("'", with: "''"))') WHERE \(terms.joined(separator: " AND "))
            """
    }

    /// Asks for the requests that the points came in, oldest first.
    public var sendersSQL: String {
        """
        WITH wanted(part, nobody, sequence, ordinal, end_sequence, end_ordinal, time, words, kept_back_by, rules_asked) AS MATERIALIZED (\(wanted))
        SELECT r.at, r.source, r.peer, r.request_id, r.sequence, count(*) AS points, utc(min(wanted.time)) AS first_measured,
            utc(max(wanted.time)) AS last_measured
        FROM wanted JOIN receipts r ON r.sequence = wanted.sequence AND wanted.ordinal >= r.first_ordinal
            AND wanted.ordinal < r.first_ordinal + r.points
        GROUP BY r.id ORDER BY r.id
        """
    }

    private static func terms(_ column: String, _ range: Range<Int64>?) -> [String] {
        guard let range else { return [] }
        return ["\(column) >= \(range.lowerBound)", "\(column) < \(range.upperBound)"]
    }
}

/// Takes the rows of `FateRequest.sql`.
struct FateCollector: AuditAnswer {
    /// Points are looked at one by one, so that it is known which of them rules kept back.
    private let knowsSeries: Bool
    private var backends: [FateRuns] = []
    private var runs = 0
    private var isSorted = false
    private var points: Int64 = 0
    private var knownSince: Int64?

    static let maximumRuns = 2_000_000

    init(knowsSeries: Bool) { self.knowsSeries = knowsSeries }

    mutating func begin(columns: [String]) {}
    mutating func end() {}

    mutating func add(_ row: AuditAnswerRow, nanosecondsLeft: () -> Int64) throws(AuditError) {
        guard let part = row[0].integer else { return }
        let (start, end) = (
            Place(row[2].integer ?? 0, row[3].integer ?? 0), Place(row[4].integer ?? 0, row[5].integer ?? 0)
        )
        switch part {
        case 0: backends.append(FateRuns(backend: row[1].string ?? "", firstSequence: start.sequence))
        case 5: knownSince = row[6].integer
        case 6:
            if !isSorted {
                for index in backends.indices { backends[index].sort(knowsSeries: knowsSeries) }
                isSorted = true
            }
            guard start.sequence == end.sequence, start.ordinal >= 0, start.ordinal <= end.ordinal else {
                throw AuditError(.damaged, "a receipt's places cannot be: \(start) to \(end)")
            }
            points += end.ordinal - start.ordinal
            let (keptBackBy, rules) = (row[8].string ?? "", row[9].string ?? "")
            for index in backends.indices {
                backends[index].count(
                    start.sequence, start.ordinal..<end.ordinal, time: row[6].integer ?? 0, keptBackBy: keptBackBy,
                    rules: rules)
            }
        default:
            runs += 1
            guard runs <= FateCollector.maximumRuns else {
                throw AuditError(.tooLarge, "the books have more than \(FateCollector.maximumRuns) runs of points")
            }
            let (fate, reason) = FateCollector.fate(part, row[7].string ?? "")
            let backend = row[1].string
            // A loss of no backend is one of each.
            for index in backends.indices where backend == nil || backends[index].backend == backend {
                backends[index].add(fate, reason, start, end, at: row[6].integer, points: row[8].integer ?? 0)
            }
        }
    }

    private static func fate(_ part: Int64, _ words: String) -> (PointFate, String) {
        switch part {
        case 2: return (.pending, "")
        case 3: return (.dead, words)
        case 4: return (.lost, words)
        default:
            let split = words.split(separator: " ", maxSplits: 1)
            let reason = split.count > 1 ? String(split[1]) : ""
            return switch split.first {
            case "assumed": (.assumed, reason)
            case "excluded": (.excluded, reason)
            default: (.delivered, reason)
            }
        }
    }

    var answer: FateAnswer {
        var backends = backends
        for index in backends.indices { backends[index].finish() }
        let order = PointFate.allCases
        let counts = backends.flatMap { backend in
            backend.counts.filter { $0.points > 0 }.sorted { left, right in
                let (first, second) = (order.firstIndex(of: left.fate) ?? 0, order.firstIndex(of: right.fate) ?? 0)
                return (first, left.reason) < (second, right.reason)
            }
        }
        return FateAnswer(counts: counts, points: points, knownSince: knownSince)
    }
}

extension AuditAnswerRow.Value {
    var integer: Int64? { if case .integer(let number) = self { number } else { nil } }
    var string: String? { if case .text(let text) = self { String(decoding: text, as: UTF8.self) } else { nil } }
}
