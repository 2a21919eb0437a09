import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What a lane has done, and what it tells of itself.
extension LaneState {
    mutating func settled(_ parts: [Settlement.Part], now: Int64) {
        let before = counters.deliveredPoints
        for part in parts {
            let points = UInt64(part.run.ordinals.count - part.excluded)
            counters.excludedPoints += UInt64(part.excluded)
            switch part.fate {
            case .delivered: counters.deliveredPoints += points
            case .assumed: counters.assumedPoints += points
            case .dead: counters.deadPoints += points
            case .excluded: counters.excludedPoints += points
            case .released: continue
            }
        }
        pace?.took(points: parts.reduce(0) { $0 + ($1.fate == .released ? 0 : $1.run.ordinals.count) })
        rate = decayedRate(now) + Double(counters.deliveredPoints - before) / LaneState.rateWindowSeconds
        rateAt = now
        if firstSettledAt == nil { firstSettledAt = now }
    }

    private func decayedRate(_ now: Int64) -> Double {
        rate * exp(-Double(max(0, now - rateAt)) / 1e9 / LaneState.rateWindowSeconds)
    }

    /// The average of a window that has not passed yet is over what has; one second at least.
    private func pointsPerSecond(_ now: Int64) -> Double {
        guard let firstSettledAt else { return 0 }
        let age = max(1, Double(now - firstSettledAt) / 1e9)
        return decayedRate(now) / (1 - exp(-age / LaneState.rateWindowSeconds))
    }

    /// - Parameters:
    ///   - now: boot clock, nanoseconds. Waits are kept on it, so that the next attempt is told right whatever the wall clock
    ///     did since the last one.
    ///   - wall: wall clock at that moment.
    func status(now: Int64, wall: Int64) -> LaneStatus {
        let next = wall + max(0, resumeAt - now)
        var status = LaneStatus(tenant: route.tenant, backend: route.name, type: Swift.type(of: route.backend).type)
        switch retry.mode {
        case .ok: status.state = .ok
        case .backingOff: status.state = .backingOff(until: next)
        case .held: status.state = .held(because: retry.reason, probe: next)
        }
        status.attempts = retry.attempts
        status.lastError = lastError
        if let problem = settleProblem, retry.mode != .held {
            status.state = .backingOff(until: wall + max(0, problem.at - now))
            status.lastError = "what was delivered cannot be settled: \(problem.reason)"
        }
        // What is fresh goes out; the backlog tries again by itself.
        if retry.mode == .ok, settleProblem == nil, backlog.attempts > 0 {
            status.state = .backingOff(until: wall + max(0, backlog.resumeAt - now))
            status.attempts = backlog.attempts
            status.lastError = "the backlog: \(backlog.reason)"
        }
        // Two things to say: the spool's is nearer.
        if let problem = leaseProblem, retry.mode != .held, settleProblem == nil {
            status.state = .backingOff(until: next)
            status.lastError = "the spool gives nothing to be sent: \(problem)"
        }
        status.requestsInFlight = requestsInFlight
        status.pointsInFlight = pointsInFlight
        status.counters = counters
        status.pointsPerSecond = pointsPerSecond(now)
        return status
    }
}
