/// Holds back repeats: the same sentence about the same thing is said once a period, then with a count.
struct Throttle {
    /// Two events are the same when these agree; other metadata (attempts, durations) changes from one to the next.
    private struct Key: Hashable {
        var message: String
        var tenant: String?
        var backend: String?
        var target: String?
    }
    private struct Entry {
        var since: Int64
        var heldBack = 0
    }
    enum Verdict: Equatable {
        /// Say it; `repeats` were held back since it was last said.
        case say(repeats: Int)
        case holdBack
    }

    private let periodNanoseconds: Int64
    /// Beyond it old entries are forgotten: at worst a repeat is said early.
    private let maximumEntries: Int
    private var entries: [Key: Entry] = [:]

    init(periodNanoseconds: Int64 = 30_000_000_000, maximumEntries: Int = 4096) {
        self.periodNanoseconds = periodNanoseconds
        self.maximumEntries = maximumEntries
    }

    /// - Parameter now: nanoseconds of a clock that never goes back.
    mutating func admit(_ message: String, _ metadata: [String: String], now: Int64) -> Verdict {
        let key = Key(
            message: message, tenant: metadata["tenant"], backend: metadata["backend"],
            target: metadata["scrape.target"])
        if var entry = entries[key], now - entry.since < periodNanoseconds {
            entry.heldBack += 1
            entries[key] = entry
            return .holdBack
        }
        let repeats = entries[key]?.heldBack ?? 0
        if entries.count >= maximumEntries { forget(now) }
        entries[key] = Entry(since: now)
        return .say(repeats: repeats)
    }

    private mutating func forget(_ now: Int64) {
        entries = entries.filter { now - $0.value.since < periodNanoseconds }
        if entries.count >= maximumEntries { entries.removeAll(keepingCapacity: true) }
    }
}
