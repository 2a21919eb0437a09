import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What the chain says of a spool that nobody has tampered with, whatever the node did to it.
@Suite struct ChainTests {
    private func expectSound(_ life: ChainLife) throws -> ChainAnswer {
        let answer = try life.verify()
        #expect(answer.findings == [])
        return answer
    }

    @Test func `a spool that is as the node left it has no finding, and every row is covered`() async throws {
        let life = try ChainLife()
        try await life.live()
        let answer = try expectSound(life)
        #expect(answer.tenant == "acme" && answer.status.length > 0)
        #expect(answer.uncoveredRows == 0 && answer.formerRows == 0 && answer.uncheckedRows == 0)
        var rows = try life.number("SELECT (SELECT count(*) FROM backends) + (SELECT count(*) FROM incarnations)")
        for table in ChainTable.allCases where table.isTagged {
            let found = try life.number("SELECT count(*) FROM \(table.name)")
            #expect(found > 0, "a life without rows in \(table.name) shows too little")
            #expect(try life.number("SELECT count(*) FROM \(table.name) WHERE tag IS NULL") == 0)
            rows += found
        }
        #expect(answer.soundRows == rows)
    }

    @Test func `the columns of a code are those of the schema, in its order`() async throws {
        let life = try ChainLife()
        try await life.live()
        let connection = try Connection(path: life.fixture.path, access: .readOnly)
        defer { connection.close() }
        for (name, columns) in ChainTable.allCases.map({ ($0.name.description, $0.columns) }) + [
            ("spool", ChainRow.columns)
        ] {
            var found: [String] = []
            try Statement("SELECT name FROM pragma_table_info(?1)", on: connection).rows(.text(name)) { row in
                found.append(row.text(0))
                return true
            }
            #expect(found.filter { $0 != "tag" && $0 != "chain_state" } == columns)
        }
    }

    @Test func `a spool whose process was killed has no finding`() async throws {
        let life = try ChainLife()
        try await life.live()
        let spool = try await life.open()
        try await life.append(spool, 12)
        await spool.abandon()
        _ = try expectSound(life)
    }

    @Test func `a transaction that fails leaves the chain as it was`() async throws {
        let life = try ChainLife()
        try await life.live()
        let spool = try await life.open()
        await #expect(throws: SpoolError.self) {
            try await spool.fail { (database) throws(SQLiteError) in
                try database.statements.insertEvent.run(.text("never"), 1, 1, .text(""))
            }
        }
        try await life.append(spool, 12)
        await spool.close()
        _ = try expectSound(life)
    }

    @Test func `a salvaged spool keeps the tags of its rows, and shows the one that was altered before`() async throws {
        let life = try ChainLife()
        try await life.live()
        try life.tamper("UPDATE receipts SET peer = '10.0.0.1' WHERE id = 10")
        let folder = life.fixture.folder.path
        let name = try #require(try SetAside(folder: folder, files: .system).perform(wall: SpoolFixture.start))
        let evidence = SalvagedLedger.Evidence(
            reservedBefore: 1000, mark: nil, summary: nil,
            registrations: life.fixture.configuration(["a", "b"]).backends)
        let job = SalvageJob(
            folder: folder, files: .system, note: SalvageNote(incarnation: Array(0..<16), names: [name]),
            tenant: "acme", evidence: evidence)
        let spool = try await Spool.open(
            path: life.fixture.path, life.fixture.configuration(["a", "b"]), life.fixture.environment,
            minimumSequence: 1000, salvage: job)
        try await spool.carryOver()
        await spool.close()
        let answer = try life.verify()
        // Whoever wants to be rid of links and findings has only to damage a page: that is one itself.
        #expect(answer.findings.map(\.kind) == [.gap, .altered], "\(answer.findings)")
        #expect(answer.findings.first?.text.contains("set aside") == true)
        #expect(answer.findings.last?.table == "receipts" && answer.findings.last?.row == 10)
        #expect(answer.formerRows > 20 && answer.uncoveredRows == 0)
        #expect(try life.verify(accepting: 1).findings.map(\.kind) == [.altered])
    }

    @Test func `a backup, and a spool that is restored of it, have no finding`() async throws {
        let fixture = try BackupFixture()
        let key = ChainKey.random()
        var tenant = StoreFixture.tenant("acme")
        tenant.chain = key
        let store = try fixture.node.open()
        try await store.configure([tenant])
        _ = try await store.append(Make.batch(0..<40), tenant: "acme")
        #expect(try await store.drain("acme") == Array(0..<40))
        _ = try await store.append(Make.batch(40..<100), tenant: "acme")
        #expect(await fixture.backUp(store).phase == .done)
        await store.close()
        let backup = try BackupReader(fixture.place())
        let copied = try #require(backup.manifest.spools.first)
        func findings(_ path: String) throws -> [ChainFinding] {
            try ChainVerifier.verify(try AuditFile.copied(path), key: key).findings
        }
        #expect(try findings(backup.path(of: copied)) == [])

        try fixture.restore(to: fixture.place("second"), chain: key)
        let path = fixture.place("second") + "/tenants/acme/spool.db"
        #expect(try findings(path) == [])
        let second = try fixture.open(fixture.place("second"))
        try await second.configure([tenant])
        _ = try await second.append(Make.batch(100..<110), tenant: "acme")
        await second.close()
        #expect(try findings(path) == [])

        // Without the key it is a life of the file that nobody vouches for.
        try fixture.restore(to: fixture.place("third"))
        #expect(try findings(fixture.place("third") + "/tenants/acme/spool.db").map(\.kind) == [.gap])
    }

    // MARK: The key

    @Test func `another key proves nothing, and says so`() async throws {
        let life = try ChainLife()
        try await life.live()
        #expect(throws: AuditError.self) { try life.verify(.random()) }
    }

    @Test func `a spool without a chain is not called sound`() async throws {
        let life = try ChainLife()
        let spool = try await life.open(chain: .some(nil))
        try await life.append(spool, 0)
        await spool.close()
        #expect(throws: AuditError.self) { try life.verify() }
    }

    @Test func `without its key a spool goes on, says so, and the time without is a gap for ever`() async throws {
        let life = try ChainLife()
        try await life.live()
        let without = try await life.open(chain: .some(nil))
        try await life.append(without, 12)
        await without.close()
        #expect(life.fixture.raised(ChainTests.stopped) == 1)
        #expect(try life.verify().findings.map(\.kind) == [.gap])
        let again = try await life.open(chain: .some(nil))
        await again.close()
        #expect(life.fixture.raised(ChainTests.stopped) == 1, "said when it stops, once")

        let with = try await life.open()
        try await life.append(with, 13)
        await with.close()
        let answer = try life.verify()
        #expect(answer.findings.map(\.kind) == [.gap] && answer.findings.first?.table == "links")
        #expect(answer.uncoveredRows > 0 && answer.formerRows > 0)
        #expect(try life.verify(accepting: answer.status.length).findings == [])

        // What was written before and after is still watched.
        try life.tamper(
            "UPDATE batches SET received_wall = 1 WHERE sequence = 10", "DELETE FROM batches WHERE sequence = 14")
        let kinds = Set(try life.verify(accepting: answer.status.length).findings.map(\.kind))
        #expect(kinds == [.altered, .removed])
    }

    @Test func `a gap stays one when its link is folded into one with others`() async throws {
        let life = try ChainLife()
        try await life.live()
        let without = try await life.open(chain: .some(nil))
        try await life.append(without, 12)
        await without.close()
        let rules = ChainRules(sealNanoseconds: 0, maximumLinks: 4)
        let spool = try await life.open(rules)
        for row in 13..<30 {
            life.fixture.advance(seconds: 10)
            try await life.append(spool, row)
        }
        await spool.close()
        let answer = try life.verify()
        #expect(answer.notes.contains { $0.contains("1 resumed") }, "\(answer.notes)")
        #expect(answer.findings.map(\.kind) == [.gap] && answer.findings.first?.text.contains("folded") == true)
        #expect(try life.verify(accepting: answer.status.length).findings == [])
    }

    @Test func `with the present key alone a link cannot be put into an epoch that it cannot check`() async throws {
        let life = try ChainLife()
        try await life.live()
        let next = life.key.next()
        var spool = try await life.open(chain: next)
        try await life.append(spool, 12)
        await spool.close()
        let without = try await life.open(chain: .some(nil))
        try await life.append(without, 13)
        await without.close()
        spool = try await life.open(chain: next)
        await spool.close()
        #expect(try life.verify(next).findings.map(\.kind) == [.gap])
        try life.tamper("UPDATE links SET epoch = 0, kind = 'sealed', detail = '' WHERE kind = 'resumed'")
        #expect(try life.verify(next).findings.map(\.kind).contains(.links))
    }

    private static let stopped =
        "a spool has a chain, and the config has no key for it: what is written from here on is not proven"

    @Test func `a spool that was there before gets a chain that covers what comes`() async throws {
        let life = try ChainLife()
        let before = try await life.open(chain: .some(nil))
        for row in 0..<5 { try await life.append(before, row) }
        await before.close()
        let spool = try await life.open()
        for row in 5..<10 { try await life.append(spool, row) }
        await spool.close()
        let answer = try expectSound(life)
        #expect(answer.uncoveredRows >= 10)
        #expect(answer.soundRows >= 10)
        try life.tamper("DELETE FROM batches WHERE sequence = 7")
        #expect(try life.verify().findings.map(\.kind) == [.removed])
    }

    @Test func `the next epoch's key goes on with the chain, and the first one reaches all`() async throws {
        let life = try ChainLife()
        try await life.live()
        let next = life.key.next()
        let spool = try await life.open(chain: next)
        try await life.append(spool, 12)
        await spool.close()
        let told = try Connection(path: life.fixture.path, access: .readOnly)
        #expect(
            try Statement("SELECT group_concat(detail) FROM events WHERE kind = 'chain_key_changed'", on: told)
                .first { $0.text(0) }?.hasPrefix("epoch 0 to 1: chain.key_file, as user ") == true)
        told.close()
        let all = try expectSound(life)
        #expect(all.uncheckedRows == 0 && all.formerRows == 0)
        let present = try life.verify(next)
        #expect(present.findings == [] && present.uncheckedRows > 20 && present.soundRows > 0)
        #expect(present.uncheckedLinks == 1)
        try life.tamper("UPDATE receipts SET peer = 'x' WHERE id = 13")
        #expect(try life.verify(next).findings.map(\.row) == [13])
    }

    @Test func `a key's file says all of it, and nothing else prints it`() throws {
        let key = ChainKey.random().next()
        #expect(try ChainKey(fileText: key.fileText) == key)
        #expect("\(key)" == "the key of epoch 1")
        for text in ["", "holdfast-chain-key 2 0 00 00", key.fileText.replacing("1 1 ", with: "1 -1 ")] {
            #expect(throws: SpoolError.self) { try ChainKey(fileText: text) }
        }
    }

    // MARK: Links

    @Test func `links are made while there are changes, once in a while, and old ones are folded`() async throws {
        let life = try ChainLife()
        let rules = ChainRules(sealNanoseconds: 10_000_000_000, maximumLinks: 8)
        var spool = try await life.open(rules)
        for row in 0..<12 { try await life.append(spool, row) }
        #expect(await spool.chainStatus?.length == 2, "one at the start, one after ten seconds")
        let early = try #require(await spool.chainStatus)
        life.fixture.advance(seconds: 60)
        await spool.close()
        spool = try await life.open(rules)
        var noted: [ChainAnchor] = []
        for row in 12..<30 {
            life.fixture.advance(seconds: 10)
            try await life.append(spool, row)
            let status = try #require(await spool.chainStatus)
            noted.append(try #require(ChainAnchor("\(status.length):\(status.head)")))
        }
        await spool.close()
        #expect(try life.number("SELECT count(*) FROM links") <= 8)
        let answer = try expectSound(life)
        #expect(answer.notes.contains { $0.contains("folded") })
        #expect(try life.verify(anchors: Array(noted.suffix(3))).confirmedAnchors == 3)
        let old = try #require(ChainAnchor("\(early.length):\(early.head)"))
        #expect(try life.verify(anchors: [old]).findings.first?.text.contains("folded") == true)
    }

    @Test func `a spool that was rolled back as a whole is found by an anchor, and by nothing else`() async throws {
        let life = try ChainLife()
        try await life.live()
        let former = try FileBytes.read(life.fixture.path)
        let spool = try await life.open(ChainRules(sealNanoseconds: 0))
        try await life.append(spool, 12)
        let status = try #require(await spool.chainStatus)
        await spool.close()
        let anchor = try #require(ChainAnchor("\(status.length):\(status.head)"))
        #expect(try life.verify(anchors: [anchor]).confirmedAnchors == 1)
        try FileBytes.write(life.fixture.path, former)
        #expect(try life.verify().findings == [], "the file alone cannot tell")
        #expect(try life.verify(anchors: [anchor]).findings.map(\.kind) == [.anchor])
    }

    @Test func `a spool whose log grows too far while it is read is not judged, and what to do is said`() async throws {
        let life = try ChainLife()
        let spool = try await life.open(ChainRules(sealNanoseconds: 0))
        for row in 0..<80 { try await life.append(spool, row) }
        await spool.close()
        var limits = AuditLimits(time: .seconds(60))
        // Any log has grown by more.
        limits.logGrowthBytes = -1
        do {
            _ = try ChainVerifier.verify(
                AuditFile(path: life.fixture.path, isImmutable: false), key: life.key, limits: limits)
            Issue.record("the spool was judged")
        } catch {
            #expect(error.code == .logGrew && error.message.contains("holdfast backup DIR"))
        }
    }

    @Test func `a commit with a chain writes as many pages as one without`() async throws {
        var frames: [Int] = []
        for chain in [nil, ChainKey.random()] {
            let fixture = try SpoolFixture(chain: chain)
            let spool = try await fixture.open()
            for row in 0..<3 { _ = try await spool.append(Make.request(Make.batch(row * 20..<row * 20 + 20))) }
            let before = try await spool.pagesWritten
            for row in 3..<23 { _ = try await spool.append(Make.request(Make.batch(row * 20..<row * 20 + 20))) }
            frames.append(Int(try await spool.pagesWritten - before))
            await spool.close()
        }
        // Rows are 25 bytes longer, so that now and then a leaf is full a little earlier.
        #expect(frames[1] - frames[0] <= 3, "\(frames)")
    }
}

extension Spool {
    fileprivate var pagesWritten: Int64 { get throws { try openDatabase().connection.pagesWritten } }

    fileprivate func fail(_ body: (Database) throws(SQLiteError) -> Void) throws(SpoolError) {
        try transact { (database) throws(SpoolError) in
            try checked { () throws(SQLiteError) in try body(database) }
            throw SpoolError(.misuse, "refused")
        }
    }
}
