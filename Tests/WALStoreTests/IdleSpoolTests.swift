import Synchronization
import Testing

@testable import WALStore

/// What happens by time in spools that nobody writes to.
struct IdleSpoolTests {
    private static let day: Int64 = 86_400

    /// Three rows, all delivered.
    private func live(_ store: WALStore, _ tenant: String) async throws {
        for number in 0..<3 { _ = try await store.append(Make.batch(number..<number + 1), tenant: tenant) }
        _ = try await store.drain(tenant)
    }

    private func opened(_ store: WALStore) -> Int { store.state.withLock { $0.highestOpenCount } }

    @Test func `what expired while a node was stopped goes at its start, and no other spool is opened`() async throws {
        let fixture = try StoreFixture()
        let tenants = ["old", "young"].map { StoreFixture.tenant($0, retainSeconds: Self.day) }
        let first = try fixture.open()
        try await first.configure(tenants)
        try await live(first, "old")
        fixture.advance(seconds: Self.day - 100)
        try await live(first, "young")
        await first.close()
        fixture.advance(seconds: 200)

        let second = try fixture.open()
        try await second.configure(tenants)
        #expect(await second.status("old")?.batches == 3)
        await second.maintain()
        // The newest row carries the spool's end, and stays.
        #expect(await second.status("old")?.batches == 1)
        #expect(await second.status("young")?.batches == 3)
        #expect(opened(second) == 1)
        await second.close()
    }

    @Test func `what expires in a closed spool goes although nothing is written`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(NodeConfiguration(openSpools: 1))
        try await store.configure(["idle", "other"].map { StoreFixture.tenant($0, retainSeconds: 600) })
        try await live(store, "idle")
        _ = try await store.append(Make.batch(0..<1), tenant: "other")
        fixture.advance(seconds: 500)
        await store.maintain()
        #expect(await store.status("idle")?.batches == 3)
        fixture.advance(seconds: 100)
        await store.maintain()
        #expect(await store.status("idle")?.batches == 1)
        await store.close()
    }

    @Test func `a closed spool that cannot let go of what expired is looked at each sixteenth of its time`()
        async throws
    {
        let fixture = try StoreFixture()
        let store = try fixture.open(NodeConfiguration(openSpools: 1))
        func looks(after seconds: Int64) async throws -> Bool {
            // Another tenant takes the place.
            _ = try await store.append(Make.batch(0..<1), tenant: "other")
            let before = store.state.withLock { $0.tenants["owing"]?.visitedAt }
            fixture.advance(seconds: seconds)
            await store.maintain()
            return store.state.withLock { $0.tenants["owing"]?.visitedAt } != before
        }
        try await store.configure([
            StoreFixture.tenant("owing", backends: ["a", "b"], retainSeconds: 3200), StoreFixture.tenant("other"),
        ])
        try await live(store, "owing")
        #expect(try await !looks(after: 3199))
        #expect(try await looks(after: 1))
        #expect(try await !looks(after: 200))
        #expect(try await looks(after: 1))
        #expect(await store.status("owing")?.batches == 3)
        await store.close()
    }
}
