/// Who leaves when more connections came than the listener has places for.
///
/// libmicrohttpd alone would let whoever came first stay for its idle time, and everybody else wait: 150 silent
/// connections kept 40 busy senders out. So it is given a reserve of places above the limit, and while the reserve is in
/// use, places are taken back from those that use theirs least.
enum Crowd {
    struct Standing: Sendable {
        var host: Substring
        /// How long it has kept its place without using it; nil: it is busy.
        var idleNanoseconds: Int64?
    }
    struct Decision: Equatable, Sendable {
        /// Indices of connections that leave now.
        var leaving: [Int] = []
        /// How many more have to leave, when they have been answered: everybody is busy.
        var afterAnswer = 0
    }

    /// Places beyond the limit, so that somebody new is heard while somebody idle is shown out.
    static func reserve(of places: Int) -> Int { max(16, places / 8) }

    /// First each host is brought to its share, then all of them to the limit: from the host that has most connections,
    /// the one that was idle for longest.
    ///
    /// - Parameter placesPerHost: 0: no share.
    static func decide(_ standings: [Standing], places: Int, placesPerHost: Int) -> Decision {
        var decision = Decision()
        var counts: [Substring: Int] = [:]
        // Longest idle last, so that it is the first to be taken.
        var idle: [Substring: [Int]] = [:]
        for (index, standing) in standings.enumerated() {
            counts[standing.host, default: 0] += 1
            if standing.idleNanoseconds != nil { idle[standing.host, default: []].append(index) }
        }
        for host in idle.keys {
            idle[host]?.sort { (standings[$0].idleNanoseconds ?? 0) < (standings[$1].idleNanoseconds ?? 0) }
        }
        func leave(_ host: Substring) -> Bool {
            guard let index = idle[host]?.popLast() else { return false }
            decision.leaving.append(index)
            counts[host, default: 0] -= 1
            return true
        }
        var overShare = 0
        if placesPerHost > 0 {
            for (host, count) in counts where count > placesPerHost {
                for left in stride(from: count - placesPerHost, to: 0, by: -1) where !leave(host) {
                    overShare += left
                    break
                }
            }
        }
        var excess = standings.count - decision.leaving.count - places
        while excess > 0 {
            let crowded = counts.filter { idle[$0.key]?.isEmpty == false }.max { $0.value < $1.value }
            guard let host = crowded?.key, leave(host) else { break }
            excess -= 1
        }
        decision.afterAnswer = max(overShare, excess, 0)
        return decision
    }
}
