import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// What must hold after a node found its files damaged, whatever the damage.
struct RotOracle {
    let node: RotNode
    let label: String
    /// Acknowledged after the damage.
    private(set) var newValues: Range<Int> = 0..<0
    /// Sequences of the rows that the damage lies in: nothing else may be lost. nil: not known.
    var damagedSequences: Set<Int64>?

    init(_ node: RotNode, _ label: String) {
        self.node = node
        self.label = label
    }

    /// What came out.
    struct Outcome: Sendable {
        var lost: [String: Int] = [:]
        var pending: [String: Int] = [:]
    }

    /// Opens the damaged node, lets new data in at once, waits for the salvage, delivers all, and compares.
    @discardableResult
    mutating func check(configuration: SpoolConfiguration = RotNode.tenant()) async throws -> Outcome {
        let before = node.known.withLock { $0 }
        let store = try node.open()
        try await store.configure([configuration])
        newValues = try await send(store)
        let known = node.known.withLock { $0 }
        let highest = before.places.values.map(\.sequence).max() ?? 0
        for value in newValues {
            #expect(known.places[value].map { $0.sequence > highest } == true, "\(label): a sequence came back")
        }
        try await waitForSalvage(store)
        var outcome = Outcome()
        for backend in configuration.backends.map(\.name) {
            let (pending, lost) = try await compare(backend, before, store)
            outcome.pending[backend] = pending
            outcome.lost[backend] = lost
        }
        await store.close()
        return outcome
    }

    /// As a sender does: a request that meets the damage is answered with 503 and sent again, at once.
    private func send(_ store: WALStore) async throws -> Range<Int> {
        for _ in 0..<3 {
            do {
                return try await node.append(50, to: store)
            } catch let error as SpoolError {
                guard [.unavailable, .unreadable, .closing].contains(error.code) else { throw error }
            }
        }
        Issue.record("\(label): new data does not flow")
        return 0..<0
    }

    private func waitForSalvage(_ store: WALStore) async throws {
        for _ in 0..<1000 {
            await store.maintain()
            do throws(SpoolError) {
                let isDone = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                    await !spool.isSalvaging
                }
                if isDone { return }
            } catch {
                // It is just being set aside.
                guard error.code == .unavailable || error.code == .closing else { throw error }
            }
        }
        Issue.record("\(label): the salvage does not end")
    }

    private func compare(
        _ backend: String, _ before: RotNode.Known, _ store: WALStore
    ) async throws -> (pending: Int, lost: Int) {
        let books = try #require(await store.status("acme")?.backends.first { $0.name == backend }, "\(label)")
        #expect(books.balances, "\(label): \(books)")
        let drained = try await drain(backend, store)
        let (losses, letters) = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            var losses: [Loss] = []
            while true {
                let more = try await spool.losses(after: losses.last?.id ?? 0, limit: 1000)
                if more.isEmpty { break }
                losses += more
            }
            return (losses, try await spool.deadLetters(limit: 1000).filter { $0.backend == backend })
        }
        let mine = losses.filter { $0.backend == backend || $0.backend == nil }
        let graves = Set(letters.map(\.origin))
        let hasLostLetters = mine.contains { $0.places == nil && $0.reason == .corruption }
        var (missing, lostLetters, forgotten) = (0, 0, 0)
        for (value, place) in before.places where !newValues.contains(value) {
            if drained.contains(value) { continue }
            if before.delivered[backend]?.contains(value) == true {
                // Where its row and the word of its delivery went with the same log, the books can only call it lost.
                if mine.contains(where: { $0.places?.contains(place) == true }) { forgotten += 1 }
                continue
            }
            let isDead = before.dead[backend]?.contains(value) == true
            if isDead, graves.contains(place) || hasLostLetters {
                if !graves.contains(place) { lostLetters += 1 }
                continue
            }
            missing += 1
            // A dead letter lies elsewhere than the row it came with.
            if let damagedSequences, !isDead {
                #expect(
                    damagedSequences.contains(place.sequence),
                    "\(label): value \(value) at \(place) is lost, and its row lies on sound pages")
            }
            #expect(
                mine.contains { $0.places?.contains(place) == true },
                "\(label): value \(value) at \(place) is gone from \(backend) without a row")
        }
        #expect(drained.isSuperset(of: newValues), "\(label): new data is not delivered")
        let strangers = drained.subtracting(before.places.keys).subtracting(newValues)
        #expect(strangers.isEmpty, "\(label): \(strangers.count) points were never acknowledged")
        let after = try #require(await store.status("acme")?.backends.first { $0.name == backend })
        #expect(after.balances && after.pendingPoints == 0, "\(label): \(after)")
        // A row that says that nobody knows may count what was delivered as lost, and deliver what was again.
        if !mine.contains(where: { $0.points == nil || $0.detail.contains("is not known") }) {
            let least = Int64(missing + lostLetters)
            #expect(
                (least...least + Int64(forgotten)).contains(after.lostPoints),
                "\(label): \(missing) missing, \(lostLetters) letters, \(forgotten) forgotten, \(after)")
        }
        return (Int(books.pendingPoints), Int(after.lostPoints))
    }

    /// Takes all there is. Damage that is met on the way sets the spool aside and carries it over: then once more.
    private func drain(_ backend: String, _ store: WALStore) async throws -> Set<Int> {
        let taken = Taken()
        for _ in 0..<5 {
            do throws(SpoolError) {
                try await drainOnce(backend, store, taken)
                return taken.values.withLock { $0 }
            } catch {
                guard [.unavailable, .unreadable, .closing].contains(error.code) else { throw error }
            }
            try await waitForSalvage(store)
        }
        Issue.record("\(label): \(backend) is not drained")
        return taken.values.withLock { $0 }
    }

    /// What was delivered before a drain met the damage counts too.
    private final class Taken: Sendable {
        let values = Mutex<Set<Int>>([])
    }

    private func drainOnce(_ backend: String, _ store: WALStore, _ taken: Taken) async throws(SpoolError) {
        try await store.withSpool("acme") { [label] (spool) async throws(SpoolError) in
            while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 1000)) {
                var values: Set<Int> = []
                for piece in lease.pieces {
                    for ordinal in piece.ordinals {
                        let value = RotNode.value(piece.batch.points.bits[ordinal])
                        #expect(value != nil, "\(label): a garbled point was leased")
                        if let value { values.insert(value) }
                    }
                }
                let parts = lease.pieces.indices.map {
                    Settlement.Part(LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals), .delivered)
                }
                try await spool.settle(
                    lease, Settlement(parts: parts, attempts: 1, status: 200, firstAttemptAt: RotNode.start))
                taken.values.withLock { $0.formUnion(values) }
            }
        }
    }
}
