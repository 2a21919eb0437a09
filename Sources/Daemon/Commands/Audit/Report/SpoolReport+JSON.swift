import Metrics
import WALStore

extension SpoolReport {
    /// All of it, times in nanoseconds since the epoch.
    var json: JSONValue {
        let times: [JSONValue.Member] = [
            .init("from", .int(span.start)), .init("to", .int(span.end)), .init("step", .int(span.width)),
            .init("created", .int(createdAt)), .init("known_since", SpoolReport.json(knownSince)),
        ]
        let counts: [JSONValue.Member] = [
            .init("stored", stored.json), .init("body_bytes", .int(bodyBytes)),
            .init("requests", SpoolReport.json(requests)), .init("accepted_points", SpoolReport.json(acceptedPoints)),
            .init("refused_points", SpoolReport.json(refusedPoints)),
        ]
        let lists: [JSONValue.Member] = [
            .init("backends", .array(backends.map(\.json))), .init("losses", .array(losses.map(\.json))),
            .init("dead_letters", .array(deadLetters.map(\.json))), .init("refusals", .array(refusals.map(\.json))),
            .init("senders", .array(senders.map(\.json))), .init("events", .array(events.map(\.json))),
        ]
        return .object([.init("tenant", .string(tenant))] + times + counts + lists)
    }

    fileprivate static func json(_ number: Int64?) -> JSONValue { number.map { .int($0) } ?? .null }
    fileprivate static func json(_ numbers: [Int64]) -> JSONValue { .array(numbers.map { .int($0) }) }
}

extension SpoolReport.Stored {
    fileprivate var json: JSONValue {
        .object([
            .init("rows", .int(rows)), .init("points", .int(points)), .init("block_bytes", .int(blockBytes)),
            .init("since", SpoolReport.json(since)),
        ])
    }
}

extension SpoolReport.Sender {
    fileprivate var json: JSONValue {
        .object([
            .init("source", .string(source)), .init("peer", .string(peer)), .init("requests", .int(requests)),
            .init("points", .int(points)),
        ])
    }
}

extension SpoolReport.Event {
    fileprivate var json: JSONValue {
        .object([.init("at", .int(at)), .init("kind", .string(kind)), .init("detail", .string(detail))])
    }
}

extension SpoolReport.Tally {
    fileprivate var json: JSONValue {
        .object([
            .init("backend", backend.map { .string($0) } ?? .null), .init("reason", .string(reason)),
            .init("points", SpoolReport.json(points)), .init("first_at", SpoolReport.json(firstAt)),
            .init("last_at", SpoolReport.json(lastAt)),
        ])
    }
}

extension BackendReport {
    fileprivate var json: JSONValue {
        let terms: [JSONValue.Member] = AuditBooks.fates.map { .init($0.rawValue, .int(books.points[$0] ?? 0)) }
        let head: [JSONValue.Member] = [
            .init("name", .string(name)), .init("type", .string(type)), .init("attached", .bool(isAttached)),
            .init("owed", .int(books.owed)),
        ]
        let tail: [JSONValue.Member] = [
            .init("difference", .int(books.difference)), .init("delivered_points", SpoolReport.json(deliveredPoints)),
            .init("owed_points", SpoolReport.json(owedPoints)), .init("owed_since", SpoolReport.json(owedSince)),
            .init("outages", .array(outages.map(\.json))),
        ]
        return .object(head + terms + tail)
    }
}

extension BackendReport.Outage {
    fileprivate var json: JSONValue {
        .object([
            .init("from", .int(start)), .init("to", .int(end)), .init("is_over", .bool(isOver)),
            .init("points_meanwhile", .int(pointsMeanwhile)),
        ])
    }
}
