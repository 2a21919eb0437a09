import Foundation
import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Putting a copied spool in its place: another life of it, with what was pending (rules 4, 8, 22).
@Suite struct RestoreTests {
    /// A node with 100 points, 40 of them delivered, and a backup of it.
    private func backedUp(_ fixture: BackupFixture) async throws -> WALStore {
        let store = try fixture.node.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<40), tenant: "acme")
        #expect(try await store.drain("acme") == Array(0..<40))
        _ = try await store.append(Make.batch(40..<100), tenant: "acme")
        #expect(await fixture.backUp(store).phase == .done)
        return store
    }

    @Test func `a restored spool beside the living one owes what was pending, may have sent it, and is another life`()
        async throws
    {
        let fixture = try BackupFixture()
        let original = try await backedUp(fixture)
        let restored = try fixture.restore(to: fixture.place("second"))
        let second = try fixture.open(fixture.place("second"))
        try await second.configure([StoreFixture.tenant("acme")])

        // The original goes on as if nothing had been.
        let next = try await original.append(Make.batch(100..<110), tenant: "acme")
        let ours = try await second.append(Make.batch(500..<510), tenant: "acme")
        let first = try #require(restored["acme"]?.firstSequence)
        #expect(ours.places.first?.start.sequence == first)
        #expect(try #require(next.places.first).start.sequence < first)
        let lives = try await (original.spoolStatus("acme").incarnation, second.spoolStatus("acme").incarnation)
        #expect(lives.0 != lives.1)

        let values = try await second.withSpool("acme") { (spool) async throws(SpoolError) in
            var values: [Int] = []
            while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 1000)) {
                for piece in lease.pieces {
                    let isOld = piece.batch.points.bits[piece.ordinals.lowerBound] < 500
                    #expect(piece.maybeSent == isOld, "what came after the restore was never sent")
                }
                values += lease.values
                try await spool.settle(lease, Make.all(lease, .delivered))
            }
            return values
        }
        #expect(values == Array(40..<100) + Array(500..<510))
        let books = try await second.withSpool("acme") { (spool) async throws(SpoolError) in
            (
                try await spool.status().backends, try await spool.losses(),
                try await spool.texts("SELECT reason FROM incarnations ORDER BY id")
            )
        }
        #expect(books.0.allSatisfy(\.balances) && books.1.isEmpty)
        #expect(books.2 == ["created", "restored"])
        await second.close()
        await original.close()
    }

    @Test func `a spool that is there is refused, and replaced only when told to, with nothing of it deleted`()
        async throws
    {
        let fixture = try BackupFixture()
        let store = try await backedUp(fixture)
        // What the restored spool is not to know of, nor to mourn.
        _ = try await store.append(Make.batch(100..<150), tenant: "acme")
        let last = try await store.spoolStatus("acme").lastSequence
        await store.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: fixture.node.spool("acme")))

        #expect(throws: SpoolError.self) { try fixture.restore() }
        #expect(try Data(contentsOf: URL(fileURLWithPath: fixture.node.spool("acme"))) == before)

        let restored = try #require(try fixture.restore(replacing: true)["acme"])
        let former = try #require(restored.replaced)
        let folder = fixture.node.path + "/tenants/acme/"
        #expect(former.hasPrefix("spool.db.replaced-"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder + former)) == before)
        #expect(restored.firstSequence > last)

        let again = try fixture.node.open()
        try await again.configure([StoreFixture.tenant("acme")])
        #expect(try await again.drain("acme") == Array(40..<100))
        let status = try await again.spoolStatus("acme")
        #expect(status.lossRows == 0 && status.acceptedPoints == 100)
        #expect(status.setAsideFiles == 1)
        #expect(fixture.node.raised("the log of a spool is missing: what was only in it is lost") == 0)
        await again.close()
    }

    @Test func `a damaged spool whose salvage is under way is replaced, and not carried over`() async throws {
        let fixture = try BackupFixture()
        let store = try await backedUp(fixture)
        await store.close()
        let folder = fixture.node.path + "/tenants/acme"
        _ = try SetAside(folder: folder, files: .system).perform(wall: SpoolFixture.start)
        let refusal = #expect(throws: SpoolError.self) { try fixture.restore() }
        #expect(refusal?.message.contains("still to be carried over") == true)
        try fixture.restore(replacing: true)
        let again = try fixture.node.open()
        try await again.configure([StoreFixture.tenant("acme")])
        #expect(try await again.drain("acme") == Array(40..<100))
        #expect(try await again.spoolStatus("acme").salvaging == 0)
        await again.close()
    }

    @Test func `a running node is not restored into`() async throws {
        let fixture = try BackupFixture()
        let store = try await backedUp(fixture)
        let error = #expect(throws: SpoolError.self) { try fixture.restore(replacing: true) }
        #expect(error?.isHeldElsewhere == true)
        await store.close()
    }

    enum Damage: String, CaseIterable { case flipped, shorter, longer, gone, folder, link, exchanged }

    @Test(arguments: Damage.allCases)
    func `a file that is not what was copied is refused, and nothing is changed`(damage: Damage) async throws {
        let fixture = try BackupFixture()
        let store = try await backedUp(fixture)
        await store.close()
        let file = URL(fileURLWithPath: fixture.place() + "/spools/acme.db")
        var bytes = try Data(contentsOf: file)
        try FileManager.default.removeItem(at: file)
        switch damage {
        case .flipped: bytes[bytes.count / 2] ^= 1
        case .shorter: bytes.removeLast(4096)
        case .longer: bytes.append(Data(count: 4096))
        case .exchanged: bytes = try Data(contentsOf: URL(fileURLWithPath: "/proc/self/exe")).prefix(bytes.count)
        case .gone, .folder, .link: break
        }
        switch damage {
        case .gone: break
        case .folder: try FileManager.default.createDirectory(at: file, withIntermediateDirectories: false)
        case .link:
            let other = fixture.place("elsewhere")
            try bytes.write(to: URL(fileURLWithPath: other))
            try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: other)
        default: try bytes.write(to: file)
        }
        let reader = try BackupReader(fixture.place())
        #expect(throws: SpoolError.self) { try reader.verify(reader.manifest.spools[0]) }
        // Also where nobody looked first: what is copied is compared.
        let target = try RestoreTarget(
            fixture.place("second"), node: NodeConfiguration(), time: fixture.time, on: .system)
        if damage != .link {
            #expect(throws: SpoolError.self) {
                try target.restore(reader.manifest.spools[0], from: reader, replacing: true)
            }
            #expect(fixture.names(fixture.place("second") + "/tenants/acme") == [])
        }
    }

    @Test func `a copy of a later schema, or with a trigger in it, is refused whatever its digest`() async throws {
        for change in ["PRAGMA user_version = 99", "CREATE TRIGGER t AFTER UPDATE ON spool BEGIN SELECT 1; END"] {
            let fixture = try BackupFixture()
            let store = try await backedUp(fixture)
            await store.close()
            let path = fixture.place() + "/spools/acme.db"
            let connection = try Connection(path: path, access: .readWrite)
            try connection.execute(change)
            connection.setCheckpointOnClose(true)
            connection.close()
            let digest = try FileDigest.read(path, on: .system)
            var manifest = try BackupReader(fixture.place()).manifest
            (manifest.spools[0].bytes, manifest.spools[0].sha256) = (digest.bytes, digest.sha256)
            try Files.system.replace(fixture.place() + "/manifest.json", with: Array(manifest.json.pretty.utf8))
            let reader = try BackupReader(fixture.place())
            let error = #expect(throws: SpoolError.self) { try reader.verify(reader.manifest.spools[0]) }
            #expect(error?.code == .incompatible, "\(String(describing: error))")
        }
    }

    @Test func `a half-done backup, a folder without one, and a lost manifest are named for what they are`() throws {
        let fixture = try BackupFixture()
        try Files.system.makeFolder(fixture.place("half.partial"))
        let half = #expect(throws: SpoolError.self) { try BackupReader(fixture.place("half.partial")) }
        #expect(half?.message.contains("did not end") == true)
        #expect(throws: SpoolError.self) { try BackupReader(fixture.place("nowhere")) }
    }
}

extension WALStore {
    func spoolStatus(_ tenant: String) async throws(SpoolError) -> SpoolStatus {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.status() }
    }
}

extension Spool {
    /// The first column of each row.
    func texts(_ sql: String) throws(SpoolError) -> [String] {
        let connection = try openDatabase().connection
        return try checked { () throws(SQLiteError) in
            var texts: [String] = []
            try Statement(sql, on: connection).rows { row in
                texts.append(row.text(0))
                return true
            }
            return texts
        }
    }
}
