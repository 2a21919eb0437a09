import Synchronization

/// Lets the deliveries of one tenant to one backend that takes increments go one by one, a replay's among them: what a total is
/// counted from is what the one before has settled.
final class CounterTurns: Sendable {
    private struct Key: Hashable {
        var tenant: String
        var backend: String
    }

    /// Who waits, in order; no entry where nobody has the turn.
    private let lines = Mutex<[Key: [CheckedContinuation<Void, Never>]]>([:])

    /// - Returns: false when another has the turn.
    func takeAtOnce(_ tenant: String, _ backend: String) -> Bool {
        lines.withLock { lines in
            let key = Key(tenant: tenant, backend: backend)
            guard lines[key] == nil else { return false }
            lines[key] = []
            return true
        }
    }

    /// Returns when the turn is the caller's; `giveUp` ends it.
    func take(_ tenant: String, _ backend: String) async {
        await withCheckedContinuation { continuation in
            let isFree = lines.withLock { lines in
                let key = Key(tenant: tenant, backend: backend)
                if lines[key] == nil {
                    lines[key] = []
                    return true
                }
                lines[key]?.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    /// How many wait.
    func waiting(_ tenant: String, _ backend: String) -> Int {
        lines.withLock { $0[Key(tenant: tenant, backend: backend)]?.count ?? 0 }
    }

    func giveUp(_ tenant: String, _ backend: String) {
        let next = lines.withLock { lines -> CheckedContinuation<Void, Never>? in
            let key = Key(tenant: tenant, backend: backend)
            guard let line = lines[key], !line.isEmpty else {
                lines[key] = nil
                return nil
            }
            return lines[key]?.removeFirst()
        }
        next?.resume()
    }
}
