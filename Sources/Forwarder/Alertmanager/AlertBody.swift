import Metrics

/// Alerts as an Alertmanager takes them: a JSON array.
/// <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>
struct AlertBody {
    /// One alert, with the moment at which it ends: in the future while it fires.
    struct Item: Sendable, Equatable {
        var alert: Alert
        /// Wall clock, nanoseconds since the epoch.
        var startedAt: Int64
        var endsAt: Int64
        var isOver: Bool
    }

    /// Of a summary: what a backend said may be in it.
    static let summaryBytes = 1024

    /// - Parameter labels: those of the config, which every alert has.
    static func encode(_ items: some Sequence<Item>, _ labels: [AlertmanagerSettings.Label]) -> [UInt8] {
        var json = JSONWriter()
        json.beginArray()
        for item in items {
            let id = item.alert.id
            json.beginObject()
            json.beginObject("labels")
            json.member("alertname", id.name)
            json.member("severity", item.alert.severity.rawValue)
            if !id.tenant.isEmpty { json.member("tenant", id.tenant) }
            if !id.backend.isEmpty { json.member("backend", id.backend) }
            for label in labels { json.member(label.name, label.value) }
            json.end()
            json.beginObject("annotations")
            json.member("summary", Excerpt.of(item.alert.summary.utf8, bytes: summaryBytes))
            json.end()
            // It has to be the earlier one, also where the clock was set back in between.
            json.member("startsAt", RFC3339.format(min(item.startedAt, item.endsAt - 1_000_000)))
            json.member("endsAt", RFC3339.format(item.endsAt))
            json.end()
        }
        json.end()
        return json.bytes
    }
}
