import Synchronization

/// Runs many seeds, some at once.
enum SeedLanes {
    private static let lanes = 3

    /// - Returns: what all runs together saw.
    static func run(
        from base: UInt64, count: Int, _ body: @escaping @Sendable (UInt64) async -> DiskTally
    ) async -> DiskTally {
        let counter = Counter()
        return await withTaskGroup(of: DiskTally.self) { group in
            for _ in 0..<lanes {
                group.addTask {
                    var total = DiskTally()
                    while let number = counter.next(below: count) { total.add(await body(base + UInt64(number))) }
                    return total
                }
            }
            return await group.reduce(into: DiskTally()) { $0.add($1) }
        }
    }

    private final class Counter: Sendable {
        private let taken = Mutex(0)

        func next(below count: Int) -> Int? {
            taken.withLock { taken in
                guard taken < count else { return nil }
                taken += 1
                return taken - 1
            }
        }
    }
}
