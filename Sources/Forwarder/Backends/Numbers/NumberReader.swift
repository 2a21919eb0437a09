import Metrics
import WALStore

/// What one number of a point says, to a backend that is told what was added.
enum NumberReading: Sendable, Hashable {
    case gauge(PointNumber)
    case count(CountReading)
}

/// What was added.
struct CountReading: Sendable, Hashable {
    /// Since the point before.
    var amount: Double
    /// With what was added before it in the window of its time, where this is the first of the request to say it; else `amount`.
    var inWindow: Double
    /// When it began, nanoseconds; 0 when that is not known.
    var since: Int64
}

/// Reads points as gauges and increments, and accounts for those that are neither.
struct NumberReader {
    let rule: CounterRule
    let buckets: PointNumbers.Buckets
    let age: PointAge
    /// Wall clock, nanoseconds.
    let now: Int64
    private(set) var book: CounterBook
    private var key: [UInt8] = []
    private var series: (piece: Int, keys: [UInt32: (key: SeriesKey, meaning: CounterRule.Meaning)]) = (-1, [:])

    init(_ rule: CounterRule, _ buckets: PointNumbers.Buckets, _ age: PointAge, now: Int64, book: CounterBook) {
        (self.rule, self.buckets, self.age, self.now, self.book) = (rule, buckets, age, now, book)
    }

    /// Calls `body` with each number of a point.
    ///
    /// - Returns: false when it has none to send: the request says why.
    mutating func read(
        _ ordinal: Int, of piece: Int, _ batch: Batch, into request: inout EncodedRequest,
        _ body: (NumberPart, NumberReading) -> Void
    ) -> Bool {
        if let reason = PointNumbers.exclusion(of: ordinal, in: batch) {
            request.exclude(piece: piece, ordinal: ordinal, reason: reason.rawValue)
            return false
        }
        // What is not sent is read by nobody: its increment is part of the next one's.
        if let fault = age.fault(batch.points.times[ordinal], now: now) {
            request.bury(piece: piece, ordinal: ordinal, code: fault.code, excerpt: fault.words)
            return false
        }
        let exclusion =
            batch.points.kind(at: ordinal).isScalar
            ? readScalar(ordinal, piece, batch, body) : readDistribution(ordinal, piece, batch, body)
        guard let exclusion else { return true }
        request.exclude(piece: piece, ordinal: ordinal, reason: exclusion)
        return false
    }

    /// The totals that `read` is going to look up for the points of a chunk.
    static func keys(of chunk: Chunk, _ rule: CounterRule, _ buckets: PointNumbers.Buckets) -> [CounterKey] {
        var reader = NumberReader(rule, buckets, PointAge(), now: 0, book: CounterBook())
        var keys: Set<CounterKey> = []
        for run in chunk.runs {
            let batch = chunk.pieces[run.piece].batch
            for ordinal in run.ordinals where PointNumbers.exclusion(of: ordinal, in: batch) == nil {
                let (key, meaning) = reader.series(batch.points.series[ordinal], run.piece, batch)
                if batch.points.kind(at: ordinal).isScalar {
                    if meaning == .total { keys.insert(CounterKey(series: key)) }
                } else if rule.meaning(ofDistribution: ordinal, in: batch) == .total {
                    PointNumbers.walk(ordinal, of: batch, buckets: buckets) { part, _ in
                        if part.isOfTotal { keys.insert(CounterKey(series: key, part: part.counterPart)) }
                    }
                }
            }
        }
        return Array(keys)
    }

    // MARK: Parts

    private mutating func readScalar(
        _ ordinal: Int, _ piece: Int, _ batch: Batch, _ body: (NumberPart, NumberReading) -> Void
    ) -> String? {
        let (key, meaning) = series(batch.points.series[ordinal], piece, batch)
        var exclusion: String?
        PointNumbers.walk(ordinal, of: batch, buckets: buckets) { part, number in
            switch meaning {
            case .gauge: body(part, .gauge(number))
            case .increment: body(part, .count(NumberReader.added(number, ordinal, batch)))
            case .total:
                switch count(CounterKey(series: key), number, ordinal, batch) {
                case .success(let reading): body(part, .count(reading))
                case .failure(let fault): exclusion = fault.rawValue
                }
            }
        }
        return exclusion
    }

    /// The count decides: a point whose count is told is told.
    private mutating func readDistribution(
        _ ordinal: Int, _ piece: Int, _ batch: Batch, _ body: (NumberPart, NumberReading) -> Void
    ) -> String? {
        let (key, _) = series(batch.points.series[ordinal], piece, batch)
        let meaning = rule.meaning(ofDistribution: ordinal, in: batch)
        var exclusion: String?
        PointNumbers.walk(ordinal, of: batch, buckets: buckets) { part, number in
            guard part.isOfTotal, meaning != .gauge else {
                if exclusion == nil { body(part, .gauge(number)) }
                return
            }
            // Of a point that is not sent nothing may count as told; but of a first one all parts begin.
            if let exclusion, exclusion != Uncounted.first.rawValue { return }
            if meaning == .increment { return body(part, .count(NumberReader.added(number, ordinal, batch))) }
            switch count(CounterKey(series: key, part: part.counterPart), number, ordinal, batch) {
            case .success(let reading): if exclusion == nil { body(part, .count(reading)) }
            case .failure(let fault): if part == .count { exclusion = fault.rawValue }
            }
        }
        return exclusion
    }

    private enum Uncounted: String, Error {
        case first = "counter_first"
        case passed = "counter_passed"
        case negative = "counter_negative"
    }

    private mutating func count(
        _ key: CounterKey, _ number: PointNumber, _ ordinal: Int, _ batch: Batch
    ) -> Result<CountReading, Uncounted> {
        let value = number.double
        guard value >= 0 else { return .failure(.negative) }
        let isFirstHere = book.changes[key] == nil
        let reading = book.read(
            key, value: value, time: batch.points.times[ordinal], startTime: batch.points.startTime(at: ordinal))
        switch reading {
        case .first: return .failure(.first)
        case .passed: return .failure(.passed)
        case .increment(let amount, let since, let windowSum):
            return .success(CountReading(amount: amount, inWindow: isFirstHere ? windowSum : amount, since: since))
        }
    }

    private static func added(_ number: PointNumber, _ ordinal: Int, _ batch: Batch) -> CountReading {
        let start = batch.points.startTime(at: ordinal)
        let isKnown = start > 0 && start < batch.points.times[ordinal]
        return CountReading(amount: number.double, inWindow: number.double, since: isKnown ? start : 0)
    }

    private mutating func series(
        _ id: UInt32, _ piece: Int, _ batch: Batch
    ) -> (key: SeriesKey, meaning: CounterRule.Meaning) {
        // Ids of series are the batch's own.
        if series.piece != piece {
            series.keys.removeAll(keepingCapacity: true)
            series.piece = piece
        }
        if let known = series.keys[id] { return known }
        let made = (batch.key(ofSeries: id, scratch: &key), rule.meaning(ofSeries: id, in: batch))
        series.keys[id] = made
        return made
    }
}

extension NumberPart {
    /// Whether it counts up where its point does.
    var isOfTotal: Bool {
        switch self {
        case .value, .count, .sum, .bucket: true
        case .minimum, .maximum, .quantile: false
        }
    }
}
