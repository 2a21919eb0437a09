/// A row of `losses` that a loss which follows it may still grow: a spool that loses all it takes must not fill with rows
/// that say so.
struct LossRow: Sendable, Hashable {
    /// Losses this far apart get rows of their own, so that a row still tells when.
    static let spanNanoseconds: Int64 = 60_000_000_000

    var id: Int64 = 0
    var backendID: Int64?
    var reason: LossReason
    /// nil for points that never had a place.
    var places: PlaceRange?
    /// Of its places, all of them lost; nil where only some of the points among them are.
    var positions: Range<Int64>?
    var firstTime: Int64?
    var lastTime: Int64?
    var points: Int64
    /// Of `drop_newest`, which has them for its detail.
    var requests: Int64 = 0
    var detail = ""
    /// Spool clock of its first loss, nanoseconds.
    var startedAt: Int64

    func isOfKind(_ other: LossRow) -> Bool { backendID == other.backendID && reason == other.reason }

    /// Whether one row can tell of both, exact in places and points.
    func isContinued(by next: LossRow) -> Bool {
        let isNeighbour = positions?.upperBound == next.positions?.lowerBound
        let haveTimes = (firstTime == nil) == (next.firstTime == nil)
        return isOfKind(next) && isNeighbour && haveTimes && (places == nil) == (next.places == nil)
            && (requests > 0 || detail == next.detail)
            && next.startedAt - startedAt < LossRow.spanNanoseconds
    }

    mutating func grow(by next: LossRow) {
        if let (mine, its) = both(places, next.places) {
            places = PlaceRange(min(mine.start, its.start), max(mine.end, its.end))
        }
        if let (mine, its) = both(positions, next.positions) { positions = mine.lowerBound..<its.upperBound }
        if let (mine, its) = both(firstTime, next.firstTime) { firstTime = min(mine, its) }
        if let (mine, its) = both(lastTime, next.lastTime) { lastTime = max(mine, its) }
        points += next.points
        requests += next.requests
        if requests > 0 { detail = "\(requests) requests" }
    }

    private func both<Value>(_ mine: Value?, _ its: Value?) -> (Value, Value)? {
        guard let mine, let its else { return nil }
        return (mine, its)
    }
}
