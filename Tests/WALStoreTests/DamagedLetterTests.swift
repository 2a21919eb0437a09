import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A page of dead letters that cannot be read: no lease ever comes there, whoever asks for the letters does.
struct DamagedLetterTests {
    private static let letters = 1000
    private static let damaged = "a spool turned out to be damaged; it is set aside and carried over"

    /// A store whose one tenant has a page of letters zeroed, somewhere in the middle.
    private func open(_ fixture: StoreFixture) async throws -> WALStore {
        let store = try fixture.open()
        try await store.configure([StoreFixture.tenant("acme")])
        _ = try await store.append(Make.batch(0..<Self.letters), tenant: "acme")
        try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            let dead = Fate.dead(DeadLetterReason(code: "refused", excerpt: "no", status: 400))
            while let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: Self.letters)) {
                try await spool.settle(lease, Make.all(lease, dead))
            }
        }
        await store.close()
        try damage(fixture.spool("acme"))
        let next = try fixture.open()
        try await next.configure([StoreFixture.tenant("acme")])
        return next
    }

    /// Zeroes the leaf that half of the cells of the table's root lie before
    /// (<https://www.sqlite.org/fileformat2.html#b_tree_pages>). The spool is closed.
    private func damage(_ path: String) throws {
        let connection = try Connection(path: path, access: .readOnly)
        let select = "SELECT rootpage FROM sqlite_master WHERE name = 'dead_letters'"
        let root = Int(try #require(try connection.integer(select)))
        let pageBytes = Int(try #require(try connection.integer("PRAGMA page_size")))
        connection.close()
        let file = try #require(fopen(path, "r+"))
        defer { fclose(file) }
        func read(_ count: Int, at offset: Int) throws -> Int {
            var bytes = [UInt8](repeating: 0, count: count)
            try #require(fseek(file, offset, SEEK_SET) == 0 && fread(&bytes, 1, count, file) == count)
            return bytes.reduce(0) { $0 << 8 | Int($1) }
        }
        let page = (root - 1) * pageBytes
        try #require(try read(1, at: page) == 5, "an interior page of a table")
        let cells = try read(2, at: page + 3)
        try #require(cells > 8)
        let leaf = try read(4, at: page + read(2, at: page + 12 + cells / 2 * 2))
        try #require(fseek(file, (leaf - 1) * pageBytes, SEEK_SET) == 0)
        try #require(fwrite([UInt8](repeating: 0, count: pageBytes), 1, pageBytes, file) == pageBytes)
    }

    /// Until the spool's former file has been carried over.
    private func carryOver(_ store: WALStore) async throws {
        while try await store.withSpool("acme", { (spool) async in await spool.isCarryingOver }) {
            await store.maintain()
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `whoever lists them has the spool set aside, and the others are carried over`() async throws {
        let fixture = try StoreFixture()
        let store = try await open(fixture)
        let error = await #expect(throws: SpoolError.self) {
            try await store.withSpool("acme") { (spool) async throws(SpoolError) in
                try await spool.deadLetters(
                    DeadLetterFilter(), DeadLetterLimit(letters: Self.letters, nanoseconds: .max / 2))
            }
        }
        #expect(error?.code == .unreadable)
        #expect(fixture.raised(Self.damaged) == 1)
        try await carryOver(store)
        let books = try #require(await store.status("acme")?.backends.first)
        #expect(books.balances && books.deadPoints > 900 && books.deadPoints + books.lostPoints == 1000, "\(books)")
        let page = try await store.withSpool("acme") { (spool) async throws(SpoolError) in
            try await spool.deadLetters(
                DeadLetterFilter(), DeadLetterLimit(letters: Self.letters, nanoseconds: .max / 2))
        }
        #expect(page.letters.count == Int(books.deadPoints))
        await store.close()
    }

    enum Command: CaseIterable { case redrive, purge }

    @Test(.timeLimit(.minutes(5)), arguments: Command.allCases)
    func `what was done before the damage was met is told`(command: Command) async throws {
        let fixture = try StoreFixture()
        let store = try await open(fixture)
        let (done, next) = try await store.withSpool("acme") { (spool) async throws(SpoolError) -> (Int64, Int64?) in
            switch command {
            case .redrive:
                let order = RedriveOrder(backend: "a", requestID: "again", peer: "admin", asked: "by a test")
                let redrive = try await spool.redriveDeadLetters(order, nanoseconds: .max / 2)
                return (redrive.points, redrive.next)
            case .purge:
                let purge = try await spool.purgeDeadLetters(
                    DeadLetterFilter(), asked: "by a test", nanoseconds: .max / 2)
                return (purge.points, purge.next)
            }
        }
        #expect(done == 256 && next != nil)
        #expect(fixture.raised(Self.damaged) == 1)
        try await carryOver(store)
        let books = try #require(await store.status("acme")?.backends.first)
        #expect(books.balances, "\(books)")
        switch command {
        case .redrive: #expect(books.pendingPoints == 256)
        case .purge: #expect(books.lostPoints > 256)
        }
        await store.close()
    }
}

extension Spool {
    fileprivate var isCarryingOver: Bool { salvage != nil }
}
