import Synchronization

/// Instruments of one name, one per combination of label values.
///
/// Label values come from the config and from fixed lists, never from a sender; still there is a limit, beyond which
/// everything new counts under `other`.
final class MetricFamily<Instrument: Sendable>: Sendable {
    static var maximumMembers: Int { 65_536 }

    let labelNames: [String]
    private let make: @Sendable () -> Instrument
    private let members = Mutex<[[String]: Instrument]>([:])

    init(labels: [String], make: @escaping @Sendable () -> Instrument) {
        labelNames = labels
        self.make = make
    }

    /// The instrument for these values, made at first use. Keep it where a path is hot.
    func with(_ values: String...) -> Instrument {
        precondition(values.count == labelNames.count, "one value a label")
        return members.withLock { members in
            if let known = members[values] { return known }
            let isFull = members.count >= Self.maximumMembers
            let key = isFull ? labelNames.map { _ in "other" } : values
            if let known = members[key] { return known }
            let made = make()
            members[key] = made
            return made
        }
    }

    /// In the order of their label values.
    var all: [(values: [String], instrument: Instrument)] {
        members.withLock { members in
            members.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key, $0.value) }
        }
    }

    /// Forgets members, so that a removed tenant does not stay in `/metrics` for ever.
    func remove(where matches: ([String]) -> Bool) {
        members.withLock { members in members = members.filter { !matches($0.key) } }
    }
}

typealias CounterFamily = MetricFamily<Counter>
typealias HistogramFamily = MetricFamily<DurationHistogram>
