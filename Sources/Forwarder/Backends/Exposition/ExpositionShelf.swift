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

    var snapshot: Content { content.withLock { $0 } }

    /// Takes the place of older values, and takes away those of series that have ended.
    ///
    /// - Parameters:
    ///   - rules: what goes beyond their limit is left out. They were asked before, so only a second request on its way at the
    ///     same time comes to that.
    ///   - now: wall clock, nanoseconds.
    func put(_ points: [ExposedPoint], _ rules: ExpositionRules, now: Int64) {
        content.withLock { content in
            for point in points { content.put(point, rules.maximumSeries) }
            content.sweep(rules, now)
        }
    }
}

extension ExpositionShelf.Content {
    fileprivate mutating func put(_ point: ExposedPoint, _ maximumLines: Int) {
        let before = values[point.key]
        guard before.map({ $0.time <= point.time }) ?? true else { return }
        let after = lines - (before?.lines.count ?? 0) + point.lines.count
        if point.lines.isEmpty {
            values[point.key] = nil
        } else {
            guard after <= maximumLines else { return }
            values[point.key] = ExpositionShelf.Value(time: point.time, lines: point.lines)
        }
        lines = after
    }

    /// Now and then, and when it is nearly full: what has expired is not shown, and has no place either.
    fileprivate mutating func sweep(_ rules: ExpositionRules, _ now: Int64) {
        guard rules.expiry > 0 else { return }
        let isCrowded = lines > rules.maximumSeries / 10 * 9
        let isDue = now < sweptAt || sweptAt == .min || now - sweptAt > rules.expiry
        guard isCrowded || isDue else { return }
        sweptAt = now
        values = values.filter { !rules.isExpired($0.value.time, now) }
        lines = values.values.reduce(0) { $0 + $1.lines.count }
    }
}
