import Metrics
import Synchronization
import WALStore

/// The rules of one tenant at one backend, with what they said of the series that came by.
public final class SeriesRouter: Sendable {
    /// As settlements name them.
    public let stored: StoredRoute
    private let memory: Mutex<RouteMemory>

    public init(_ rules: RouteRules) {
        stored = StoredRoute(rules)
        memory = Mutex(RouteMemory(rules))
    }

    /// CPU only.
    func route(_ lease: Lease) -> RoutedLease {
        memory.withLock { memory in
            var batches: [RoutedBatch] = []
            batches.reserveCapacity(lease.pieces.count)
            for (index, piece) in lease.pieces.enumerated() {
                if index > 0, piece.batch.sharesPoints(with: lease.pieces[index - 1].batch) {
                    batches.append(batches[index - 1])
                } else {
                    batches.append(memory.route(piece.batch))
                }
            }
            return RoutedLease(lease, batches, stored)
        }
    }
}

extension Batch {
    /// Whether it is the very same batch: the pieces of a merged lease share one.
    fileprivate func sharesPoints(with other: Batch) -> Bool {
        guard points.count == other.points.count, points.count > 0 else { return false }
        return points.times.withUnsafeBufferPointer { ours in
            other.points.times.withUnsafeBufferPointer { theirs in ours.baseAddress == theirs.baseAddress }
        }
    }
}
