/// Whether a backend that has never taken a point refuses so much that its url or its type is likelier at fault than the points
/// (`docs/decisions/0063-a-backend-that-never-took-a-point.md`).
struct LaneDoubt: Sendable {
    /// Points that were refused; nil where something was taken, or nobody knows.
    private var refused: Int?
    /// With so many of them the lane is held.
    private var limit = LaneDoubt.pointsBefore

    static let pointsBefore = 100
    /// What it may cost each time that the lane asks again.
    private static let pointsAProbe = 10

    var isRaised: Bool { refused ?? 0 >= LaneDoubt.pointsBefore }

    /// Nothing was ever taken, as far as the spool goes back.
    mutating func begin() { (refused, limit) = (0, LaneDoubt.pointsBefore) }

    /// The backend is another one now.
    mutating func beginAnew() { if refused != nil { begin() } }

    /// Something was taken.
    mutating func end() { refused = nil }

    /// - Returns: whether the lane is to be held.
    mutating func add(refused points: Int) -> Bool {
        guard let before = refused else { return false }
        refused = before + points
        guard before + points >= limit else { return false }
        limit = before + points + LaneDoubt.pointsAProbe
        return true
    }
}
