import Foundation
import Metrics
import TestSupport
import Testing

@testable import WALStore

@Suite struct SetAsideTests {
    enum Damage: CaseIterable { case garbage, folder, truncated, deleted }

    private func spoil(_ path: String, _ damage: Damage) throws {
        let content = try Data(contentsOf: URL(fileURLWithPath: path))
        try FileManager.default.removeItem(atPath: path)
        switch damage {
        case .garbage: try Data(repeating: 0x5a, count: 20_000).write(to: URL(fileURLWithPath: path))
        case .folder: try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        case .truncated: try content.prefix(5000).write(to: URL(fileURLWithPath: path))
        case .deleted: break
        }
    }

    @Test(arguments: Damage.allCases)
    func `a spool that is beyond use is set aside, counted, and new data flows`(damage: Damage) async throws {
        let fixture = try StoreFixture()
        let first = try fixture.open()
        try await first.configure([StoreFixture.tenant("acme")])
        let before = try await first.append(Make.batch(0..<100), tenant: "acme")
        await first.close()
        try spoil(fixture.spool("acme"), damage)

        try await fixture.withSecondLife { store in
            try await store.configure([StoreFixture.tenant("acme")])
            let after = try await store.append(Make.batch(200..<210), tenant: "acme")
            let (last, next) = (try #require(before.places.last), try #require(after.places.first))
            #expect(next.start > last.end)
            await store.maintain()
            // Some of it may still be readable; what is not has a loss row that says how much and where.
            let delivered = try await store.drain("acme")
            let (losses, books) = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                (try await spool.losses(), try await spool.status().backends)
            }
            let kept = Set(delivered).intersection(0..<100)
            #expect(delivered.filter { $0 >= 200 } == Array(200..<210))
            #expect(kept.count + Int(books.first?.lostPoints ?? 0) == 100, "\(books)")
            #expect(losses.reduce(0) { $0 + ($1.points ?? 0) } == Int64(100 - kept.count))
            #expect(books.first?.balances == true)
            if kept.isEmpty { #expect(losses.first?.places?.contains(Place(1, 0)) == true) }
            let names = Files.system.names(in: store.folder.folder(of: "acme"))
            #expect(
                names.contains { $0.hasPrefix("spool.db.") && $0.contains("T") } == (damage != .deleted), "\(names)")
        }
        #expect(fixture.raised("a spool was set aside and a fresh one opened") == 1)
    }

    @Test func `a salvaged spool has an id of its own, and remembers those before it`() async throws {
        let fixture = try StoreFixture()
        var store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<10), tenant: "acme")
        func lives(_ store: WALStore) async throws -> [String] {
            try await store.withSpool("acme") { (spool) async throws(SpoolError) in try await spool.lives() }
        }
        let before = try await lives(store)
        #expect(before.count == 1 && before[0].hasPrefix("created "))
        await store.close()
        // A header of nonsense; the pages behind it are there.
        var bytes = try FileBytes.read(fixture.spool("acme"))
        for index in 0..<4096 { bytes[index] = 0x5a }
        try FileBytes.write(fixture.spool("acme"), bytes)
        store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(10..<11), tenant: "acme")
        await store.maintain()
        let after = try await lives(store)
        #expect(after.count == 2 && after[0] == before[0], "\(after)")
        #expect(after.last?.hasPrefix("salvaged ") == true)
        #expect(Set(after.map { $0.split(separator: " ")[1] }).count == 2)
        let current = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.status().incarnation
        }
        #expect(after.last == "salvaged \(current)")
        await store.close()
    }

    @Test func `a rename that a crash interrupted is ended at the next open`() throws {
        let folder = try TemporaryFolder()
        let name = "spool.db.set-aside-20260101T000000Z"
        try Files.system.replace(folder.path + "/set-aside", with: Array(name.utf8))
        try Files.system.replace(folder.path + "/spool.db", with: [1])
        try Files.system.replace(folder.path + "/\(name)-wal", with: [2])
        #expect(try SetAside(folder: folder.path, files: .system).finish(wall: 0) == name)
        #expect(Set(Files.system.names(in: folder.path)) == [name, name + "-wal", "salvage"])
        #expect(try SetAside(folder: folder.path, files: .system).finish(wall: 0) == nil)
    }

    @Test func `reserved sequences do not come back, and a clean close leaves no gap`() throws {
        let folder = try TemporaryFolder()
        let mark = HighWaterMark(path: folder.path + "/acme", files: .system, wall: { 1_800_000_000_000_000_000 })
        #expect(try mark.read() == 1)
        #expect(try mark.reserve(from: 1) == 4097)
        #expect(try mark.reserve(from: 4000) == 4097)
        #expect(try mark.reserve(from: 4097) == 8193)
        try mark.set(5000)
        #expect(try mark.read() == 5000)
        try Files.system.replace(mark.path, with: Array("rubbish".utf8))
        #expect(try mark.read() == 1_800_000_000_000)
    }

    @Test func `a summary comes back whole or not at all`() throws {
        var status = SpoolStatus()
        status.tenant = "acme"
        status.acceptedPoints = 7
        var backend = BackendLedger()
        backend.name = "a"
        backend.pendingPoints = 5
        backend.retry = RetryState(mode: .held, attempts: 3, nextAttemptAt: 9, reason: "401")
        status.backends = [backend]
        var summary = NodeSummary()
        let stamp = NodeSummary.Stamp(bytes: 1, modifiedAt: 2, inode: 3)
        summary.entries = ["acme": .init(status: status, stamp: stamp), "open": .init(status: status, stamp: nil)]
        let bytes = summary.encoded()
        #expect(NodeSummary(decoding: bytes) == summary)
        for length in 0..<bytes.count { #expect(NodeSummary(decoding: Array(bytes[..<length])) == nil) }
        for index in bytes.indices {
            var broken = bytes
            broken[index] ^= 0x10
            #expect(NodeSummary(decoding: broken) == nil)
        }
    }
}

extension Spool {
    /// `reason uuid` of each life of the file, oldest first.
    fileprivate func lives() throws(SpoolError) -> [String] {
        var lives: [String] = []
        try checked { () throws(SQLiteError) in
            try Statement(
                "SELECT reason, lower(hex(uuid)) FROM incarnations ORDER BY id", on: try openConnection()
            ).rows { row in
                lives.append("\(row.text(0)) \(row.text(1))")
                return true
            }
        }
        return lives
    }

    private func openConnection() throws(SQLiteError) -> Connection {
        guard let database else { throw SQLiteError(code: 1, operation: "look", message: "closed") }
        return database.connection
    }
}
