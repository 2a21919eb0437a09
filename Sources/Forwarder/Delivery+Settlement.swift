import Synchronization
import WALStore

extension Bisect.Part {
    /// What to write for some of these points.
    func settlement(_ parts: [Settlement.Part], status: Int, _ context: DeliveryContext) -> Settlement {
        Settlement(
            parts: parts, attempts: max(1, attempts), status: status,
            firstAttemptAt: firstAttemptAt == 0 ? context.time.wall() : firstAttemptAt)
    }
}

extension Settlement {
    /// One of several, of different points.
    init(together settlements: [Settlement]) {
        self.init(
            parts: Settlement.joined(settlements.flatMap(\.parts)), attempts: settlements.map(\.attempts).max() ?? 1,
            status: settlements.last { $0.status != 0 }?.status ?? 0,
            firstAttemptAt: settlements.map(\.firstAttemptAt).min() ?? 0)
        for settlement in settlements { merge(settlement.counters) }
        route = settlements.lazy.compactMap(\.route).first
    }

    /// In order, neighbours of one fate as one.
    static func joined(_ parts: [Part]) -> [Part] {
        let sorted = parts.sorted {
            ($0.run.piece, $0.run.ordinals.lowerBound) < ($1.run.piece, $1.run.ordinals.lowerBound)
        }
        var joined: [Part] = []
        for part in sorted {
            if let last = joined.last, last.fate == part.fate, last.run.piece == part.run.piece,
                last.run.ordinals.upperBound == part.run.ordinals.lowerBound
            {
                joined[joined.count - 1].run.ordinals = last.run.ordinals.lowerBound..<part.run.ordinals.upperBound
                joined[joined.count - 1].excluded += part.excluded
            } else {
                joined.append(part)
            }
        }
        return joined
    }

    func adding(_ more: Settlement) -> Settlement {
        var both = self
        both.parts = more.parts + parts
        both.merge(more.counters)
        return both
    }

    /// - Parameter isTaken: the backend has the points, and with them their increments.
    func counting(_ book: CounterBook, isTaken: Bool) -> Settlement {
        var both = self
        both.merge(isTaken ? book.changes : book.beginnings)
        return both
    }

    /// Of two states of a total the later one holds.
    private mutating func merge(_ more: [CounterKey: CounterState]) {
        counters.merge(more) { first, second in first.time < second.time ? second : first }
    }
}

extension Answer {
    /// HTTP status; 0 where there is none.
    var status: Int { if case .response(let response) = self { response.status } else { 0 } }

    /// The beginning of what the backend said, for people.
    var excerpt: String {
        guard case .response(let response) = self else { return "" }
        return String(decoding: response.body.prefix(DeadLetterReason.excerptBytes), as: UTF8.self)
    }
}

extension DeliveryOutcome {
    /// For counters.
    var name: String {
        switch self {
        case .delivered: "delivered"
        case .partly: "partly"
        case .retry: "retry"
        case .tooLarge: "too_large"
        case .refused: "refused"
        case .encodeAnew: "encode_anew"
        case .hold: "hold"
        }
    }
}

extension Lane {
    /// Leaves the retry clock to the next process.
    func persistRetry(_ context: DeliveryContext) async {
        let retry = state.withLock { $0.retry }
        do throws(SpoolError) {
            try await source.setRetryState(retry, tenant: tenant, backend: backend)
        } catch {
            // Only the wait after a restart depends on it.
            context.events(
                Event(.debug, "a retry clock could not be stored", metadata(["error": error.description])))
        }
    }
}
