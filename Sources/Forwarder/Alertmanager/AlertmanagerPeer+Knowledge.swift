extension AlertmanagerPeer {
    /// What one Alertmanager may have been told, so that it hears of the end of that, and of nothing else.
    struct Knowledge: Sendable {
        private struct Told: Sendable {
            var firing: AlertSnapshot.Firing
            /// When the Alertmanager ends it by itself.
            var lapsesAt: Int64
            /// When it was first seen to be over; nil while it fires.
            var endedAt: Int64?
        }

        private var told: [Alert.ID: Told] = [:]
        /// How long an alert stands that is not said again, nanoseconds.
        let validity: Int64

        init(validity: Int64) { self.validity = validity }

        /// What there is to say: what fires, and the end of what fired and was said to.
        ///
        /// An end that could not be told until the Alertmanager knew it by itself is not told any more, and what was
        /// seen so long ago that nobody knows whether it is true is not either.
        mutating func items(_ snapshot: AlertSnapshot, now: Int64) -> [AlertBody.Item] {
            let endsAt = snapshot.madeAt + validity
            let firing = Set(snapshot.firing.map(\.alert.id))
            for (id, what) in told where !firing.contains(id) {
                if what.lapsesAt <= now {
                    told[id] = nil
                } else if what.endedAt == nil {
                    told[id]?.endedAt = snapshot.madeAt
                }
            }
            var items: [AlertBody.Item] = []
            if endsAt > now {
                items = snapshot.firing.map {
                    AlertBody.Item(alert: $0.alert, startedAt: $0.startedAt, endsAt: endsAt, isOver: false)
                }
            }
            let ended = told.values.filter { $0.endedAt != nil && !firing.contains($0.firing.alert.id) }
            items += ended.sorted { $0.firing.alert.id < $1.firing.alert.id }.map {
                AlertBody.Item(
                    alert: $0.firing.alert, startedAt: $0.firing.startedAt, endsAt: min(now, $0.endedAt ?? now),
                    isOver: true)
            }
            return items
        }

        /// A request with these may have arrived.
        mutating func mayKnow(_ items: some Sequence<AlertBody.Item>) {
            for item in items where !item.isOver {
                told[item.alert.id] = Told(
                    firing: AlertSnapshot.Firing(item.alert, startedAt: item.startedAt), lapsesAt: item.endsAt)
            }
        }

        /// A request with these was answered with success.
        mutating func knows(_ items: some Sequence<AlertBody.Item>) {
            for item in items where item.isOver { told[item.alert.id] = nil }
        }

        var count: Int { told.count }
    }
}
