import Metrics
import TestSupport

@testable import WALStore

/// What an operator does with dead letters, and what the array says of it.
extension SpoolModel {
    /// The letters of one backend, or the older part of them.
    private mutating func letters(of name: String) -> (DeadLetterFilter, positions: [Int]) {
        var filter = DeadLetterFilter()
        filter.backend = name
        var dead = standings[name]?.indices.filter { standings[name]?[$0] == .dead } ?? []
        if random.next() % 2 == 0 {
            // Times are as values are: half of them.
            let middle = Int(random.next() % UInt64(accepted + 1))
            filter.times = .min..<SpoolFixture.start + Int64(middle) * 1_000_000
            dead.removeAll { contents[$0] >= middle }
        }
        return (filter, dead)
    }

    mutating func purge() async throws {
        guard let name = standings.keys.sorted().randomElement(using: &random) else { return }
        let (filter, dead) = letters(of: name)
        let purge = try await spool.purgeDeadLetters(filter, asked: "by a test", nanoseconds: SpoolModel.patience)
        guard purge.points == dead.count, purge.next == nil else {
            throw Failure(description: "\(purge) of \(name), expected \(dead.count)")
        }
        for position in dead { standings[name]?[position] = .lost }
    }

    mutating func redrive() async throws {
        guard let name = standings.keys.sorted().randomElement(using: &random),
            let target = attached.sorted().randomElement(using: &random)
        else { return }
        let (filter, dead) = letters(of: name)
        // Letters are sent in the order they came to be, which is not that of their places.
        let limit = DeadLetterLimit(letters: 10_000, nanoseconds: SpoolModel.patience)
        let found = try await spool.deadLetters(filter, limit).letters
        let values = found.compactMap { $0.point.map { Int($0.points.bits[0]) } }
        var order = RedriveOrder(backend: target, requestID: "again", peer: "admin", asked: "by a test")
        order.filter = filter
        let redrive = try await spool.redriveDeadLetters(order, nanoseconds: SpoolModel.patience)
        guard redrive.points == dead.count, values.count == dead.count, redrive.next == nil, redrive.unfit == 0 else {
            throw Failure(description: "\(redrive) of \(name), expected \(dead.count)")
        }
        for position in dead { standings[name]?[position] = .excluded }
        accept(values, owedBy: [target])
    }
}
