import WALStore

/// Whose turn it is where a lane has fresh points and a backlog: an account of points, which no clock moves.
///
/// Each lease of fresh points gives the backlog its share of them, each lease of the backlog takes what it had beyond it.
/// The balance is dropped when the lane whose turn it was is owed nothing: the link was free then, and nobody has to pay for
/// it later.
struct BacklogShare: Sendable, Hashable {
    /// Points the backlog has had beyond its share; below 0 it has some to come.
    private(set) var ahead = 0.0

    var turn: FreshFirst.Turn { ahead < 0 ? .backlog : .fresh }

    /// - Parameters:
    ///   - isOfBacklog: which lane the lease was of.
    ///   - turn: which one was asked for.
    ///   - share: of the backlog, above 0 and below 1.
    mutating func leased(points: Int, isOfBacklog: Bool, turn: FreshFirst.Turn, share: Double) {
        guard isOfBacklog == (turn == .backlog) else {
            ahead = 0
            return
        }
        ahead += Double(points) * (isOfBacklog ? 1 - share : -share)
    }

    /// - Parameter points: that the backlog may have to come, at most.
    mutating func limitDebt(to points: Int) { ahead = max(ahead, -Double(points)) }
}
