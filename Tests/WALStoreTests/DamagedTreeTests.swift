import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Pages that go bad under an open spool, and are no row's own.
struct DamagedTreeTests {
    /// Found by an attack: each row behind such a page was given up, one after the other.
    @Test(.timeLimit(.minutes(10)), arguments: [false, true])
    func `a damaged page on the way to the rows has the spool set aside, and costs none of them`(
        isFirstPage: Bool
    ) async throws {
        let fixture = try StoreFixture()
        var root: Int64 = 0
        for isLast in [false, true] {
            let store = try fixture.open()
            try await store.configure([StoreFixture.tenant("acme")])
            if !isLast {
                // More rows than one page of the tree holds.
                for value in 0..<300 {
                    _ = try await store.append(Make.batch(value..<value + 1), tenant: "acme")
                }
                await store.close()
                let connection = try Connection(path: fixture.spool("acme"), access: .readOnly)
                root = try #require(
                    try connection.integer("SELECT rootpage FROM sqlite_schema WHERE name = 'batches'"))
                connection.close()
                continue
            }
            let page = isFirstPage ? 0 : root - 1
            try await store.withSpool("acme") { _ throws(SpoolError) in }
            // Not by this process: closing a file of its own would drop SQLite's locks.
            let damage = [
                "if=/dev/urandom", "of=\(fixture.spool("acme"))", "bs=4096", "count=1", "seek=\(page)", "conv=notrunc",
            ]
            #expect(try ChildProcess.run("/bin/dd", damage).exit == .exited(0))
            let values = Recorder<Int>()
            while values.elements.count < 300 {
                do throws(SpoolError) {
                    try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                        while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 50)) {
                            try await spool.settle(lease, Make.all(lease, .delivered))
                            for value in lease.values { values.record(value) }
                        }
                    }
                } catch {
                    fixture.advance(seconds: 1)
                    await store.maintain()
                }
            }
            #expect(values.elements.sorted() == Array(0..<300))
            let losses = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.losses()
            }
            #expect(losses.isEmpty)
            await store.close()
        }
    }
}
