import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What is carried over of a spool that was set aside, beside what is written meanwhile.
@Suite struct SalvageTests {
    /// A request whose refused line says which request it was in.
    private func append(_ id: String, _ value: Int, to spool: Spool) async throws {
        var request = Make.request(Make.batch(value..<value + 1), id: id)
        request.decoded.refusals.add(Refusal(.invalidLine, points: 1, line: 1, detail: id))
        _ = try await spool.append(request)
    }

    private func job(_ fixture: SpoolFixture) throws -> SalvageJob {
        let folder = fixture.folder.path
        let name = try #require(try SetAside(folder: folder, files: .system).perform(wall: SpoolFixture.start))
        let evidence = SalvagedLedger.Evidence(
            reservedBefore: 1000, mark: nil, summary: nil, registrations: fixture.configuration().backends)
        return SalvageJob(
            folder: folder, files: .system, note: SalvageNote(incarnation: Array(0..<16), names: [name]),
            tenant: "acme", evidence: evidence)
    }

    @Test func `what is written while a salvage is under way hides no row of the former spool`() async throws {
        let fixture = try SpoolFixture()
        let former = try await fixture.open()
        for index in 0..<40 { try await append("former \(index)", index, to: former) }
        for _ in 0..<3 { try await former.recordAnotherLoss() }
        try await former.note(event: "former")
        await former.close()

        let spool = try await Spool.open(
            path: fixture.path, fixture.configuration(), fixture.environment, minimumSequence: 1000,
            salvage: try job(fixture))
        for index in 0..<60 { try await append("new \(index)", 100 + index, to: spool) }
        for _ in 0..<5 { try await spool.recordAnotherLoss() }
        try await spool.note(event: "new")
        try await spool.carryOver()

        #expect(try await spool.integer("SELECT count(*) FROM receipts") == 100)
        #expect(try await spool.integer("SELECT count(DISTINCT request_id) FROM receipts") == 100)
        let right = try await spool.integer(
            "SELECT count(*) FROM refusals AS f JOIN receipts AS r ON r.id = f.receipt_id AND r.request_id = f.detail")
        #expect(right == 100, "a refusal is of the request it was in")
        #expect(try await spool.integer("SELECT count(*) FROM losses WHERE detail = 'another loss'") == 8)
        #expect(try await spool.integer("SELECT count(*) FROM events WHERE kind IN ('former', 'new')") == 2)
        await spool.close()
    }

    /// Locks that this process has on the file.
    private func locks(on path: String) throws -> Int {
        let inode = try #require(try Files.system.status(path)).inode
        let lines = String(decoding: try Files.system.disk.read("/proc/locks", limit: 1 << 24), as: UTF8.self)
        return lines.split(separator: "\n").count { line in
            let fields = line.split(separator: " ")
            return fields.contains("POSIX") && fields.contains(Substring(String(getpid())))
                && fields.contains { $0.hasSuffix(":\(inode)") }
        }
    }

    @Test func `a second name of another tenant's spool is set aside without a look into it`() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme"), StoreFixture.tenant("other")])
        _ = try await store.append(Make.batch(0..<100), tenant: "other")
        let before = try locks(on: fixture.spool("other"))
        #expect(before > 0, "SQLite's shared lock")
        try Files.system.makeFolder(store.folder.folder(of: "acme"))
        #expect(link(fixture.spool("other"), fixture.spool("acme")) == 0)

        _ = try await store.append(Make.batch(100..<110), tenant: "acme")
        await store.maintain()
        #expect(try await store.drain("acme") == Array(100..<110), "nothing is taken from it")
        #expect(fixture.raised("a spool was set aside and a fresh one opened") == 1)
        #expect(try locks(on: fixture.spool("other")) == before)
        #expect(try await store.drain("other") == Array(0..<100))
        await store.close()
    }
}

extension Spool {
    fileprivate func note(event kind: String) throws(SpoolError) {
        try transact { (database) throws(SpoolError) in try record(event: kind, "", database) }
    }
}
