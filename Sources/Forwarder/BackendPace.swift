import Synchronization

/// Spaces the requests to one backend, those of all tenants together, where there is to be no more of them in a second, or of
/// their bytes: each takes the next free moment.
final class BackendPace: Sendable {
    /// Boot clock, nanoseconds.
    private let nextAt = Mutex<Int64>(0)
    /// What one request can take at most, nanoseconds: a rate that is raised later holds soon.
    private static let longest = 3600e9

    /// - Parameter bytes: of the body, as it is sent.
    /// - Returns: how long to wait for the moment that is taken.
    func take(bytes: Int, _ traits: BackendTraits, now: Int64) -> Duration {
        let byCount = traits.requestsPerSecond.map { 1e9 / Double($0) } ?? 0
        let byBytes = traits.bytesPerSecond.map { Double(bytes) * 1e9 / Double($0) } ?? 0
        let spacing = min(max(byCount, byBytes), BackendPace.longest)
        guard spacing > 0 else { return .zero }
        return nextAt.withLock { next in
            let at = max(next, now)
            next = at + Int64(spacing)
            return .nanoseconds(at - now)
        }
    }
}
