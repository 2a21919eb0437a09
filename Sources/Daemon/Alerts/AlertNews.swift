import Forwarder
import WALStore

/// What has happened of late: events, and numbers that rose. Each is an alert for a while after the last time.
///
/// Only what this process has seen: after a restart nothing is told again.
struct AlertNews: Sendable {
    private struct News: Sendable {
        var alert: Alert
        /// Boot clock, nanoseconds.
        var at: Int64
    }
    private struct Numbers: Sendable {
        var dead: Int64
        var lost: Int64
    }

    /// So many at most; what comes beyond is left out, and counted as an event all the same.
    static let maximum = 1024

    private var news: [Alert.ID: News] = [:]
    private var last: [AlertLook.Lane: Numbers] = [:]

    /// An event of level `warning` or above.
    mutating func hear(_ event: Event, now: Int64) {
        guard event.level >= .warning, let meaning = AlertEvents.meanings[event.message] else { return }
        let id = Alert.ID(meaning.name, tenant: event.metadata["tenant"] ?? "")
        var summary = event.message
        for (key, value) in event.metadata.sorted(by: { $0.key < $1.key }) where key != "tenant" {
            summary += "; \(key): \(value)"
        }
        add(Alert(id, meaning.severity, summary), now)
    }

    /// Compares with what was seen before. What is seen for the first time is no news, and old numbers are none.
    mutating func compare(_ report: StatusReport, now: Int64) {
        var seen: [AlertLook.Lane: Numbers] = [:]
        for tenant in report.tenants {
            for backend in tenant.backends where !backend.ledger.isDetached {
                let lane = AlertLook.Lane(tenant: tenant.spool.tenant, backend: backend.ledger.name)
                guard tenant.isCurrent else {
                    seen[lane] = last[lane]
                    continue
                }
                // What is lost stays lost: a smaller number is an old one.
                let numbers = Numbers(
                    dead: backend.ledger.deadPoints, lost: max(backend.ledger.lostPoints, last[lane]?.lost ?? 0))
                seen[lane] = numbers
                guard let before = last[lane] else { continue }
                compare(numbers, before, lane, now)
            }
        }
        last = seen
    }

    private mutating func compare(_ numbers: Numbers, _ before: Numbers, _ lane: AlertLook.Lane, _ now: Int64) {
        if numbers.dead > before.dead {
            let id = Alert.ID("HoldfastDeadLetters", tenant: lane.tenant, backend: lane.backend)
            let words = "Points were refused for good; there are \(Amount.count(numbers.dead, "dead letter")) now"
            add(Alert(id, .warning, words), now)
        }
        if numbers.lost > before.lost {
            let id = Alert.ID("HoldfastPointsLost", tenant: lane.tenant, backend: lane.backend)
            let words = "Points ended without delivery; it is \(Amount.count(numbers.lost, "point")) now, ever"
            add(Alert(id, .critical, words), now)
        }
    }

    private mutating func add(_ alert: Alert, _ now: Int64) {
        guard news[alert.id] != nil || news.count < AlertNews.maximum else { return }
        news[alert.id] = News(alert: alert, at: now)
    }

    /// Those that are not over yet, in no order; the others are forgotten.
    mutating func alerts(hold: Duration, now: Int64) -> [Alert] {
        news = news.filter { Duration.nanoseconds(now - $0.value.at) < hold }
        return news.values.map(\.alert)
    }
}
