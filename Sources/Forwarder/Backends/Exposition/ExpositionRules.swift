/// What a page shows of which points.
struct ExpositionRules: Sendable, Hashable {
    /// Nanoseconds; 0: whatever its age.
    var expiry: Int64
    /// Lines of one tenant: a histogram has one for each bucket, and two more.
    var maximumSeries: Int

    /// Why a point is not exposed.
    enum Exclusion: String, CaseIterable {
        case superseded = "a newer value of its series is in the request"
        case exposed = "a newer value of its series is exposed"
        case past = "older than expiry"
        case ahead = "ahead of this node's clock by more than expiry"
        case tooMany = "more series than max_series"
        case nameless = "its series has no name"
    }

    /// - Parameters:
    ///   - time: of a point, nanoseconds since the epoch.
    ///   - now: by this node's clock.
    ///
    /// A value far ahead is none either: it came while a clock was wrong, and would keep all later ones away.
    func isExpired(_ time: Int64, _ now: Int64) -> Bool { exclusion(time, now) != nil }

    func exclusion(_ time: Int64, _ now: Int64) -> Exclusion? {
        if expiry > 0, time < now - expiry { return .past }
        return time > now + (expiry > 0 ? expiry : ExpositionRules.ahead) ? .ahead : nil
    }

    /// Where nothing expires; nanoseconds.
    private static let ahead: Int64 = 3600 * 1_000_000_000
}
