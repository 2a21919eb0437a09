import Synchronization

/// The newest value of each series of one tenant, in memory: what a page of one backend shows.
final class ExpositionShelf: Sendable {
    struct Value: Sendable {
        var time: Int64
        var lines: [ExposedPoint.Line]
    }

    struct Content: Sendable {
        fileprivate(set) var values: [[UInt8]: Value] = [:]
        /// Of all values.
        fileprivate(set) var lines = 0
        /// When it was last looked through for what has expired; wall clock, nanoseconds.
        fileprivate var sweptAt = Int64.min

        func value(_ key: [UInt8]) -> Value? { values[key] }
    }

    private let content = Mutex(Content())

    /// Lends a copy to `body`, which keeps nobody from putting.
    ///
    /// - Parameter sweeping: without what has expired, where there may be need of its place; wall clock, nanoseconds.
    func read<Result>(
        sweeping: (rules: ExpositionRules, now: Int64)? = nil, _ body: (Content) -> Result
    ) -> Result {
        let copy = content.withLock { content in
            if let sweeping { content.sweep(sweeping.rules, sweeping.now) }
            return content
        }
        // Given up no earlier than under the lock. Counting references would be enough, but the thread sanitizer does not see
        // that whoever writes into the storage was told of it.
        defer { content.withLock { _ in withExtendedLifetime(copy) {} } }
        return body(copy)
    }

    /// Takes the place of older values, and takes away those of series that have ended.
    ///
    /// - Parameters:
    ///   - rules: what goes beyond their limit is left out. They were asked before, so only a second request on its way at the
    ///     same time comes to that.
    ///   - now: wall clock, nanoseconds.
    /// - Returns: whether nothing was left out.
    func put(_ points: [ExposedPoint], _ rules: ExpositionRules, now: Int64) -> Bool {
        content.withLock { content in
            content.sweep(rules, now)
            var isWhole = true
            for point in points where !content.put(point, rules, now) { isWhole = false }
            return isWhole
        }
    }
}

extension ExpositionShelf.Content {
    /// - Returns: whether there is a place for it. That a newer value has it already is one too.
    fileprivate mutating func put(_ point: ExposedPoint, _ rules: ExpositionRules, _ now: Int64) -> Bool {
        let before = values[point.key]
        if let before, before.time > point.time, !rules.isExpired(before.time, now) { return true }
        let (count, was) = (point.lines.count, before?.lines.count ?? 0)
        let after = lines - was + count
        guard count <= was || after <= rules.maximumSeries else { return false }
        // The end of a series is remembered as long as a value would be: an older one that comes later is none.
        let isForgotten = count == 0 && (rules.expiry == 0 || values.count > 2 * rules.maximumSeries)
        values[point.key] = isForgotten ? nil : ExpositionShelf.Value(time: point.time, lines: point.lines)
        lines = after
        return true
    }

    /// Now and then, and when it is nearly full: what has expired is not shown, and has no place either.
    fileprivate mutating func sweep(_ rules: ExpositionRules, _ now: Int64) {
        let isCrowded = lines > rules.maximumSeries / 10 * 9
        let pause = (rules.expiry > 0 ? rules.expiry : 3600 * 1_000_000_000) / (isCrowded ? 10 : 1)
        guard now < sweptAt || sweptAt == .min || now - sweptAt > pause else { return }
        sweptAt = now
        values = values.filter { !rules.isExpired($0.value.time, now) }
        lines = values.values.reduce(0) { $0 + $1.lines.count }
    }
}
