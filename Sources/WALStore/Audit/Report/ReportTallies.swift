/// Adds points up by kind, backend and reason.
struct ReportTallies {
    enum Kind: Hashable { case dead, lost, refused }

    private struct Key: Hashable {
        var kind: Kind
        var backend: String?
        var reason: String
    }

    private var tallies: [Key: SpoolReport.Tally] = [:]

    /// Kinds of reasons are few. What a damaged file has beyond that is added up under this one.
    private static let maximumCount = 1000
    private static let others = "others"

    mutating func add(
        _ kind: Kind, _ backend: String?, _ reason: String, _ points: Int64?, _ first: Int64?, _ last: Int64?
    ) {
        var key = Key(kind: kind, backend: backend, reason: reason)
        if tallies[key] == nil, tallies.count >= ReportTallies.maximumCount {
            key = Key(kind: kind, backend: nil, reason: ReportTallies.others)
        }
        guard var tally = tallies[key] else {
            tallies[key] = SpoolReport.Tally(
                backend: key.backend, reason: key.reason, points: points, firstAt: first, lastAt: last)
            return
        }
        // A number that is not known leaves the sum unknown.
        tally.points = points.flatMap { points in tally.points.map { $0 &+ points } }
        tally.firstAt = [tally.firstAt, first].compactMap { $0 }.min()
        tally.lastAt = [tally.lastAt, last].compactMap { $0 }.max()
        tallies[key] = tally
    }

    func all(_ kind: Kind) -> [SpoolReport.Tally] {
        tallies.filter { $0.key.kind == kind }.values.sorted { left, right in
            (left.backend ?? "", left.reason) < (right.backend ?? "", right.reason)
        }
    }
}
