import Foundation
import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A tenant whose spool cannot be opened, beside a node that works.
@Suite struct UnusableSpoolTests {
    /// A closed store with ten points pending.
    private func closedNode() async throws -> StoreFixture {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        await store.close()
        return fixture
    }

    /// The seconds that the oldest pending point of `acme` has waited.
    private func age(_ store: WALStore) async throws -> Double {
        let status = try #require(await store.status("acme"))
        let backend = try #require(status.backends.first)
        #expect(backend.pendingPoints == 10)
        return backend.oldestPendingAgeSeconds
    }

    @Test func `the backlog of a spool that cannot be opened ages on, and is found when that is mended`() async throws {
        let fixture = try await closedNode()
        // It leads to a disk that is not mounted.
        let (spool, kept) = (fixture.spool("acme"), fixture.folder.path + "/kept")
        try FileManager.default.moveItem(atPath: spool, toPath: kept)
        try FileManager.default.createSymbolicLink(atPath: spool, withDestinationPath: fixture.folder.path + "/disk")

        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        await store.maintain()
        #expect(store.problems()["acme"] != nil)
        let before = try await age(store)
        fixture.advance(seconds: 900)
        #expect(try await age(store) == before + 900)
        await store.maintain()
        #expect(store.problems()["acme"] != nil)
        fixture.advance(seconds: 60)
        #expect(try await age(store) == before + 960, "a try that failed makes nothing younger")

        try FileManager.default.removeItem(atPath: spool)
        try FileManager.default.moveItem(atPath: kept, toPath: spool)
        await store.maintain()
        #expect(store.problems().isEmpty, "nobody asked for it")
        #expect(try await age(store) >= before + 960)
        #expect(try await store.drain("acme") == Array(0..<10))
        await store.close()
    }

    @Test func `the backlog of a spool that is closed to make room for others ages on`() async throws {
        let fixture = try await closedNode()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        let before = try await age(store)
        fixture.advance(seconds: 900)
        #expect(try await age(store) == before + 900)
        await store.close()
    }

    @Test func `a tenant that is no longer configured is no problem any more`() async throws {
        let fixture = try await closedNode()
        #expect(unlink(fixture.spool("acme")) == 0 && symlink("/nowhere/at/all", fixture.spool("acme")) == 0)
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme"), StoreFixture.tenant("other")])
        await #expect(throws: SpoolError.self) { try await store.append(Make.batch(10..<20), tenant: "acme") }
        #expect(store.problems().keys.sorted() == ["acme"])
        try await store.configure([StoreFixture.tenant("other")])
        #expect(store.problems().isEmpty)
        await store.close()
    }

    @Test func `a spool that was closed and then could not be opened is not called unclosed`() async throws {
        let fixture = try await closedNode()
        let (tenant, kept) = ("\(fixture.path)/tenants/acme", fixture.folder.path + "/kept")
        // A way that leads nowhere is like one without rights, which root always has: nobody can say what is behind.
        try FileManager.default.moveItem(atPath: tenant, toPath: kept)
        #expect(symlink(tenant, tenant) == 0)
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        await store.maintain()
        await #expect(throws: SpoolError.self) { try await store.append(Make.batch(10..<20), tenant: "acme") }
        #expect(store.problems()["acme"] != nil)
        await store.close()
        #expect(unlink(tenant) == 0)
        try FileManager.default.moveItem(atPath: kept, toPath: tenant)
        let last = try #require(WALStore.lastStatuses(directory: fixture.path)?.entries.first)
        #expect(last.isCurrent && last.status.backends.first?.pendingPoints == 10)
    }
}
