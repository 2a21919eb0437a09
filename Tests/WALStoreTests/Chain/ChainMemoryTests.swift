import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What a node remembers of its chains outside of their spools.
@Suite struct ChainMemoryTests {
    private let fixture: StoreFixture
    private let key = ChainKey.random()
    private static let takenOff =
        "a spool has no chain, and the node remembers one: it was taken off, or the spool is another one"
    private static let unremembered =
        "a spool has a chain that the node did not remember: what it remembers was removed, or not written"
    private static let otherKey =
        "the chains of this node were made with another key than the config has: they are left alone, and nothing that is written is proven"

    init() throws { fixture = try StoreFixture() }

    private func tenant(_ name: String, _ key: ChainKey?) -> SpoolConfiguration {
        var tenant = StoreFixture.tenant(name)
        tenant.chain = key
        return tenant
    }

    /// One life of a node, of which each tenant gets some points.
    private func live(_ tenants: [String] = ["acme", "base"], key: ChainKey?? = nil, points: Int = 20) async throws {
        let store = try fixture.open()
        try await store.configure(tenants.map { tenant($0, key ?? self.key) })
        for name in tenants {
            for _ in 0..<2 { _ = try await store.append(Make.batch(0..<points), tenant: name) }
        }
        await store.close()
        fixture.advance(seconds: 3600)
    }

    private func verify(
        _ tenant: String, accepting gaps: Int64 = 0, key: ChainKey? = nil
    ) throws -> ChainAnswer {
        let remembered = try RememberedChains(in: fixture.path, key: key ?? self.key)
        if let answer = remembered.missing(tenant), !AuditFile.tenants(in: fixture.path).contains(tenant) {
            return answer
        }
        return try ChainVerifier.verify(
            try AuditFile.of(tenant: tenant, in: fixture.path), key: key ?? self.key,
            expecting: remembered.expect(ChainExpectation(acceptedGaps: gaps), of: tenant))
    }

    private func kinds(_ tenant: String, accepting gaps: Int64 = 0) throws -> [ChainFinding.Kind] {
        try verify(tenant, accepting: gaps).findings.map(\.kind)
    }

    private func takeOffChain(_ tenant: String) throws {
        let connection = try Connection(path: fixture.spool(tenant), access: .readWrite)
        defer { connection.close() }
        try connection.execute("UPDATE spool SET chain_state = NULL")
        try connection.execute("DELETE FROM links")
        for table in ChainTable.allCases where table.isTagged {
            try connection.execute("UPDATE \(table.name) SET tag = NULL")
        }
    }

    private func remove(_ path: String) throws { try SystemFileSystem().remove(path) }

    private func rename(_ path: String, _ target: String) throws { try SystemFileSystem().rename(path, to: target) }

    private var memory: String { fixture.path + "/chains" }

    // MARK: What is found

    @Test func `a chain that was taken off whole is found, before the node starts and after`() async throws {
        try await live()
        #expect(try kinds("acme") == [] && kinds("base") == [])
        try takeOffChain("acme")
        #expect(try kinds("acme") == [.removed])
        try await live()
        #expect(fixture.raised(Self.takenOff) == 1)
        let answer = try verify("acme")
        #expect(answer.findings.map(\.kind) == [.gap] && answer.findings.first?.row == 1)
        #expect(try kinds("acme", accepting: 1) == [] && kinds("base") == [])
    }

    @Test func `a spool whose folder is gone is found, and by the node when it starts`() async throws {
        try await live()
        try rename(fixture.path + "/tenants/acme", fixture.folder.path + "/away")
        for file in ["sequences/acme", "sequences/acme.last", "summary"] { try remove("\(fixture.path)/\(file)") }
        let answer = try verify("acme")
        #expect(answer.findings.map(\.kind) == [.removed] && answer.findings.first?.table == "spool")
        let store = try fixture.open()
        try await store.configure(["acme", "base"].map { tenant($0, key) })
        await store.maintain()
        await store.close()
        #expect(fixture.raised(Self.takenOff) == 1, "nobody has sent anything")
        #expect(try kinds("acme") == [.gap])
    }

    @Test func `two spools that have changed places are found`() async throws {
        try await live()
        let folder = fixture.path + "/tenants"
        try rename(folder + "/acme", folder + "/other")
        try rename(folder + "/base", folder + "/acme")
        try rename(folder + "/other", folder + "/base")
        for (name, found) in [("acme", "base"), ("base", "acme")] {
            let answer = try verify(name)
            #expect(answer.findings.map(\.kind) == [.changed])
            #expect(
                answer.findings.first?.text.contains("of tenant \(found) lies in the folder of tenant \(name)") == true)
        }
    }

    @Test func `when what is remembered is removed each chain says so, and none can be taken off unseen`() async throws
    {
        try await live()
        let store = try fixture.open()
        try await store.configure(["acme", "base"].map { tenant($0, key) })
        fixture.advance(seconds: 3600)
        for name in ["acme", "base"] { _ = try await store.append(Make.batch(0..<5), tenant: name) }
        await store.close()
        #expect(try verify("acme").status.length > 1)
        try remove(memory)
        try takeOffChain("acme")
        #expect(try kinds("base") == [.gap])
        try await live()
        #expect(fixture.raised(Self.unremembered) == 1)
        let answer = try verify("base")
        #expect(answer.findings.map(\.kind) == [.gap])
        #expect(try kinds("base", accepting: answer.findings.first?.row ?? 0) == [])
        try await live()
        #expect(fixture.raised(Self.unremembered) == 1 && fixture.raised(Self.takenOff) == 0)
    }

    @Test func `a process that ended before it could note a new chain accuses nobody`() async throws {
        let store = try fixture.open()
        try await store.configure([tenant("acme", key)])
        _ = try await store.append(Make.batch(0..<5), tenant: "acme")
        await store.close()
        try remove(memory)
        try await live(["acme"])
        #expect(fixture.raised(Self.unremembered) == 0)
        #expect(try kinds("acme") == [])
        #expect(Files.system.mayExist(memory))
    }

    @Test func `what is remembered and not as it was written is moved aside, and is no proof`() async throws {
        try await live()
        let text = String(decoding: try FileBytes.read(memory), as: UTF8.self)
        try FileBytes.write(memory, Array(text.replacing("acme ", with: "zinc ").utf8))
        #expect(try RememberedChains(in: fixture.path, key: key).problem?.contains("not as the node wrote it") == true)
        try await live()
        #expect(
            fixture.raised(
                "what is remembered of the chains is not as the node wrote it: it is moved aside, and begins anew") == 1
        )
        #expect(Files.system.names(in: fixture.path).contains { $0.hasPrefix("chains.altered-") })
        #expect(try RememberedChains(in: fixture.path, key: key).tenants == ["acme", "base"])
    }

    // MARK: Another key

    @Test func `with another key chains are left alone, and what is left of that is a gap`() async throws {
        try await live()
        let other = ChainKey.random()
        try await live(["acme", "cafe"], key: other)
        #expect(fixture.raised(Self.otherKey) == 1)
        #expect(try kinds("acme") == [.gap] && kinds("base") == [])
        let store = try fixture.open()
        try await store.configure([tenant("acme", other), tenant("cafe", other)])
        #expect(await store.statuses().allSatisfy { $0.chain == nil && $0.acceptedPoints == 80 || $0.tenant == "cafe" })
        await store.close()

        try await live(["acme", "base", "cafe"])
        let answer = try verify("acme")
        #expect(answer.findings.map(\.kind) == [.gap] && answer.uncoveredRows > 0)
        #expect(try kinds("acme", accepting: answer.status.length) == [])
        #expect(try kinds("base") == [] && kinds("cafe") == [], "begun with the first key, after all")
    }

    @Test func `the next epoch's key has what the first one remembers`() async throws {
        try await live()
        try await live(key: key.next())
        #expect(fixture.raised(Self.otherKey) == 0)
        #expect(try kinds("acme") == [])
        #expect(try verify("acme", key: key.next()).findings == [])
    }

    @Test func `a restored spool of another node's key begins a chain of this one`() async throws {
        let backup = try BackupFixture()
        let store = try backup.node.open()
        try await store.configure([tenant("acme", .random())])
        _ = try await store.append(Make.batch(0..<40), tenant: "acme")
        #expect(await backup.backUp(store).phase == .done)
        await store.close()
        let place = backup.place("second")
        try backup.restore(to: place, chain: key)
        let remembered = try RememberedChains(in: place, key: key)
        #expect(remembered.tenants == ["acme"])
        let answer = try ChainVerifier.verify(
            try AuditFile.of(tenant: "acme", in: place), key: key,
            expecting: remembered.expect(ChainExpectation(), of: "acme"))
        #expect(answer.findings == [] && answer.uncoveredRows > 0 && answer.status.length > 0)
    }

    // MARK: The file

    @Test func `a line that a crash tore is written anew with the next one`() throws {
        var records = ChainRecords(key)
        for name in ["a", "b"] { records.add(ChainRecord(tenant: name, wall: 7, foundLength: 0)) }
        let bytes = records.bytes
        for count in 0..<bytes.count {
            try FileBytes.write(fixture.folder.path + "/chains", Array(bytes[..<count]))
            let memory = ChainMemory(path: fixture.folder.path + "/chains", files: .system, events: { _ in })
            let last = ChainRecord(tenant: "c", wall: 9, foundLength: 3)
            // Of a torn title nobody knows the key.
            if memory.recall("a", key) == .otherKey { continue }
            #expect(try memory.remember(last, key) == last)
            let again = ChainMemory(path: fixture.folder.path + "/chains", files: .system, events: { _ in })
            #expect(again.recall("c", key) == .record(last), "torn at \(count)")
        }
    }

    @Test func `no line can be altered, left out or put elsewhere, but for the last`() throws {
        var records = ChainRecords(key)
        for name in ["a", "b", "c"] { records.add(ChainRecord(tenant: name, wall: 7, foundLength: 0)) }
        let lines = String(decoding: records.bytes, as: UTF8.self).split(separator: "\n")
        func isAltered(_ lines: [Substring]) -> Bool {
            if case .altered = ChainRecords.read(Array((lines.joined(separator: "\n") + "\n").utf8), key) {
                true
            } else {
                false
            }
        }
        #expect(!isAltered(lines) && !isAltered(lines.dropLast()))
        for index in 1..<3 {
            var without = lines
            without.remove(at: index)
            #expect(isAltered(without))
            var moved = lines
            moved.swapAt(index, index + 1)
            #expect(isAltered(moved))
        }
        #expect(isAltered(lines.map { $0.replacing("b 7 0", with: "b 7 1")[...] }))
    }

    // MARK: Closed spools

    @Test func `the end of a chain is known of a spool that was not opened since the start`() async throws {
        try await live(["acme"])
        let store = try fixture.open()
        try await store.configure([tenant("acme", key)])
        let status = try #require(await store.statuses().first?.chain)
        let answer = try verify("acme", key: key)
        #expect(status == answer.status)
        try await store.configure([tenant("acme", nil)])
        #expect(await store.statuses().first?.chain == nil)
        await store.close()
    }
}
