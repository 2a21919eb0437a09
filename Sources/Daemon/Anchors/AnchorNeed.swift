import WALStore

/// Whether a spool has something to vouch for that its last anchor does not.
///
/// An anchor is points like others: it is stored, sent and settled, and each of that moves the end of the chain. What it
/// brings about itself is no reason for another one, or an idle node would anchor for ever.
struct AnchorNeed: Sendable {
    /// Points that came in and points that were settled, at all backends, ever.
    private struct Books: Sendable {
        var taken: Int64
        var settled: Int64

        init(_ status: SpoolStatus) {
            taken = status.acceptedPoints + status.refusedPoints + status.droppedAtIngestPoints
            settled = status.backends.reduce(0) {
                $0 + $1.deliveredPoints + $1.assumedPoints + $1.deadPoints + $1.lostPoints
            }
        }
    }

    /// At the last anchor, with its own points; nil before the first one of this process, which does not know of others.
    private var anchored: Books?
    /// It is on its way into the spool.
    private(set) var isUnderWay = false

    func isThere(_ status: SpoolStatus) -> Bool {
        guard !isUnderWay else { return false }
        guard let anchored else { return true }
        let now = Books(status)
        // Up to so many may be the anchor's.
        let own = Int64(AnchorPoints.count * status.backends.count)
        return now.taken != anchored.taken || now.settled - anchored.settled > own
    }

    mutating func begin() { isUnderWay = true }

    /// - Parameter status: as it was before the anchor was made; what came meanwhile is news the next time.
    mutating func end(_ status: SpoolStatus, isStored: Bool) {
        isUnderWay = false
        guard isStored else { return }
        var books = Books(status)
        books.taken += Int64(AnchorPoints.count)
        anchored = books
    }
}
