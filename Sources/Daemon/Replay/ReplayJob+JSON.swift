import Forwarder
import Metrics
import WALStore

extension ReplayJob {
    /// A job as the admin API and `--json` say it.
    ///
    /// - Parameter lane: how its delivery goes; nil where it has none.
    func json(tenant: String, _ lane: LaneStatus? = nil) -> JSONValue {
        .map([
            "id": .string("\(LetterID(tenant: tenant, number: id))"), "tenant": .string(tenant),
            "backend": .string(backend), "state": .string(state.rawValue),
            "problem": problem.isEmpty ? nil : .string(problem),
            "from": times.flatMap { $0.lowerBound > .min ? .string(RFC3339.format($0.lowerBound)) : nil },
            "to": times.flatMap { $0.upperBound < .max ? .string(RFC3339.format($0.upperBound)) : nil },
            "match": selector.map { .string($0.description) }, "rate": pointsPerSecond.map { .int(Int64($0)) },
            "selected_points": .int(counts.selected), "sent_points": .int(counts.sent),
            "pending_points": .int(counts.pending), "dead_points": .int(counts.dead),
            "lost_points": .int(counts.lost), "excluded_points": .int(counts.excluded),
            "pruned_points": .int(counts.pruned), "span_points": .int(span.points), "passed_points": .int(span.passed),
            "created_at": .string(RFC3339.format(createdAt)), "changed_at": .string(RFC3339.format(changedAt)),
            "asked": .string(asked), "delivery": state == .running ? lane?.delivery ?? .string("no such backend") : nil,
            "points_per_second": state == .running ? lane.map { .double($0.pointsPerSecond) } : nil,
        ])
    }
}

extension ReplayRefusal {
    var json: JSONValue {
        .map([
            "points": .int(points), "reason": .string(reason.code), "status": .int(Int64(reason.status)),
            "excerpt": .string(reason.excerpt), "sequence": .int(place.sequence), "ordinal": .int(place.ordinal),
            "refused_at": .string(RFC3339.format(refusedAt)),
            "time": first?.points.times.first.map { .string(RFC3339.format($0)) },
            "series": first?.firstSeries.map { .string($0) },
        ])
    }
}

extension LaneStatus {
    /// How it goes, for people.
    fileprivate var delivery: JSONValue {
        switch state {
        case .ok: .string("ok")
        case .backingOff: .string("waits after a failure: \(lastError)")
        case .held(let reason, _): .string("held: \(reason)")
        }
    }
}
