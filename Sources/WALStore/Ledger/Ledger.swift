/// What the spool knows without asking its database: the end of everything accepted, and what each backend is owed.
///
/// Memory: a few hundred bytes a backend, and 56 a hole in what it was sent; nothing grows with the backlog.
struct Ledger: Sendable {
    var nextSequence: Int64 = 1
    var nextPosition: Int64 = 0
    var acceptedRequests: Int64 = 0
    var refusedPoints: Int64 = 0
    var droppedPoints: Int64 = 0
    /// Counts transactions.
    var version: Int64 = 0
    var backends: [BackendState] = []
    /// The loss rows that the next loss may still grow: one at most of a backend and reason.
    var openLosses: [LossRow] = []

    /// The place and position the next batch gets.
    var end: Cut { Cut(Place(nextSequence, 0), nextPosition) }

    func index(of backend: String) -> Int? { backends.firstIndex { $0.name == backend } }
}
