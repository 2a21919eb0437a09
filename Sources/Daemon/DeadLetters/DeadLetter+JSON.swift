import Metrics
import WALStore

extension DeadLetterWithPoint {
    /// A letter as the admin API and `--json` say it. `record` is the point in the form that `POST /api/v1/json` takes;
    /// without it the point cannot be read any more.
    func json(tenant: String) -> JSONValue {
        .map([
            "id": .string("\(LetterID(tenant: tenant, number: letter.id))"), "tenant": .string(tenant),
            "backend": .string(letter.backend), "reason": .string(letter.reason.code),
            "status": .int(Int64(letter.reason.status)), "excerpt": .string(letter.reason.excerpt),
            "attempts": .int(Int64(letter.attempts)),
            "first_attempt_at": .string(RFC3339.format(letter.firstAttemptAt)),
            "buried_at": .string(RFC3339.format(letter.buriedAt)), "sequence": .int(letter.origin.sequence),
            "ordinal": .int(letter.origin.ordinal), "request_id": .string(letter.requestID),
            "time": point?.points.times.first.map { .string(RFC3339.format($0)) },
            "series": point?.firstSeries.map { .string($0) }, "record": record,
        ])
    }

    private var record: JSONValue? {
        guard let point else { return nil }
        var encoder = JSONRecordEncoder()
        var line: [UInt8] = []
        encoder.append(point, 0..<point.points.count, into: &line)
        return try? JSONValue.parse(line)
    }
}

extension Batch {
    /// That of the first point, as Prometheus writes it: `name{label="value"}`; nil when there is no point.
    var firstSeries: String? {
        guard let id = points.series.first else { return nil }
        var name = ""
        var matchers: [LabelMatcher] = []
        series.withLabels(of: id) { labels in
            for label in LabelIterator(labels) {
                if label.nameString == "__name__" {
                    name = label.valueString
                } else {
                    matchers.append(LabelMatcher(label.nameString, .equal(label.valueString)))
                }
            }
        }
        let field = field(of: id)
        if !field.isEmpty, field != "value" { name += "_\(field)" }
        return matchers.isEmpty ? name : name + SeriesSelector(matchers: matchers).description
    }
}

extension AssumedDelivery {
    /// As the admin API and `--json` say it; the end place is the one behind the last.
    func json(tenant: String) -> JSONValue {
        .map([
            "id": .string("\(LetterID(tenant: tenant, number: id))"), "tenant": .string(tenant),
            "backend": .string(backend), "points": .int(points), "first_sequence": .int(places.start.sequence),
            "first_ordinal": .int(places.start.ordinal), "end_sequence": .int(places.end.sequence),
            "end_ordinal": .int(places.end.ordinal), "attempts": .int(Int64(attempts)), "status": .int(Int64(status)),
            "first_attempt_at": .string(RFC3339.format(firstAttemptAt)),
            "assumed_at": .string(RFC3339.format(settledAt)),
        ])
    }
}
