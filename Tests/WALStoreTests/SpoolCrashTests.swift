import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// What is left after a process or a write ended in the wrong moment.
struct SpoolCrashTests {
    @Test func `a batch survives a kill after append returned`() async throws {
        let fixture = try SpoolFixture()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = fixture.path as String] in
            let spool = try await SpoolFixture.openAlone(path)
            _ = try await spool.append(Make.request(Make.batch(0..<50)))
            kill(getpid(), SIGKILL)
        }
        let spool = try await fixture.open()
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
        #expect(lease.values == Array(0..<50))
        await spool.close()
    }

    @Test func `a settle survives a kill after it returned, and nothing is owed twice`() async throws {
        let fixture = try SpoolFixture()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = fixture.path as String] in
            let spool = try await SpoolFixture.openAlone(path)
            _ = try await spool.append(Make.request(Make.batch(0..<50)))
            let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 20)))
            try await spool.settle(lease, Make.all(lease, .delivered))
            kill(getpid(), SIGKILL)
        }
        let spool = try await fixture.open()
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
        #expect(lease.values == Array(20..<50))
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    @Test func `after an unclean start what could have been sent says so`() async throws {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        let sent = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 5)))
        #expect(sent.pieces.allSatisfy { !$0.maybeSent })
        await spool.abandon()

        spool = try await fixture.open()
        let again = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 5)))
        #expect(again.values == sent.values && again.pieces.allSatisfy { $0.maybeSent })
        _ = try await spool.append(Make.request(Make.batch(10..<20)))
        try await spool.settle(again, Make.all(again, .delivered))
        let rest = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 5)))
        try await spool.settle(rest, Make.all(rest, .delivered))
        let new = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        #expect(new.values == Array(10..<20) && new.pieces.allSatisfy { !$0.maybeSent })
        await spool.close()
    }

    @Test(arguments: [false, true]) func `a clean close tells sent without an answer from never sent`(
        _ isCutOff: Bool
    ) async throws {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        await spool.release(lease, maybeHaveArrived: isCutOff)
        await spool.close()
        spool = try await fixture.open()
        let again = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        #expect(again.pieces.allSatisfy { $0.maybeSent == isCutOff })
        await spool.close()
    }

    @Test func `a lease that is out at a clean close counts as sent`() async throws {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        _ = try await spool.lease(backend: "a", limit: LeaseLimit(points: 10))
        await spool.close()
        spool = try await fixture.open()
        let again = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
        #expect(again.pieces.allSatisfy { $0.maybeSent })
        await spool.close()
    }

    @Test func `a full database refuses appends, keeps what it has, and goes on when there is room`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        let pages = try #require(try await spool.integer("PRAGMA page_count"))
        _ = try await spool.integer("PRAGMA max_page_count = \(pages)")
        var noise = Make.batch(0..<1)
        var random = SeededGenerator.fresh()
        for value in 1..<5000 {
            noise.points.appendFloat64(series: 0, time: Int64(value), bits: random.next())
        }
        let request = Make.request(noise)
        let failure = await #expect(throws: SpoolError.self) { try await spool.append(request) }
        #expect(failure?.code == .full)
        #expect(try await spool.status().acceptedPoints == 10)
        #expect(try await spool.books("a").balances)
        _ = try await spool.integer("PRAGMA max_page_count = 1000000")
        #expect(try await spool.append(request).storedPoints == 5000)
        await spool.close()
    }

    /// In a process of its own, because the limit is the process's: the first write beyond it fails like a bad disk
    /// (EFBIG, which SQLite reports as SQLITE_IOERR_WRITE), at each page of a commit in turn until a commit passes.
    @Test func `whichever write of a commit fails, the ledger balances and what was acknowledged is there`()
        async throws
    {
        let fixture = try SpoolFixture()
        await #expect(processExitsWith: .success) { [path = fixture.path as String] in
            signal(SIGXFSZ, SIG_IGN)
            var didPass = false
            var failures = 0
            // So that a receipt takes pages of its own.
            let longID = String(repeating: "request ", count: 2000)
            for page in 0..<200 where !didPass {
                let spool = try await SpoolFixture.openAlone("\(path).\(page)")
                _ = try await spool.append(Make.request(Make.batch(0..<10)))
                let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 4)))
                FileSizeLimit.set(UInt(await spool.walBytes()) + UInt(page) * 4096)
                do {
                    _ = try await spool.append(Make.request(Make.batch(10..<3000), id: longID))
                    try await spool.settle(lease, Make.all(lease, .delivered))
                    didPass = true
                } catch let error as SpoolError {
                    precondition(error.code == .commitFailed || error.code == .unavailable, "\(error)")
                    failures += 1
                }
                FileSizeLimit.remove()
                await spool.close()

                let reopened = try await SpoolFixture.openAlone("\(path).\(page)")
                let books = try await reopened.books("a")
                precondition(books.balances && books.owedPoints >= 10, "\(books)")
                let owed = try #require(
                    try await reopened.lease(backend: "a", limit: LeaseLimit(points: .max)))
                // All of the first request but what was settled; the second one wholly or not at all.
                let first = owed.values.prefix { $0 < 10 }
                precondition(first.elementsEqual(0..<10) || first.elementsEqual(4..<10), "\(first)")
                let second = Array(owed.values.dropFirst(first.count))
                precondition(second.isEmpty || second == Array(10..<3000), "\(second.count) of the second request")
                await reopened.close()
            }
            precondition(didPass && failures > 5, "\(failures) writes failed; passed: \(didPass)")
        }
    }

    @Test func `a second input and output error ends the spool, and says so`() async throws {
        let fixture = try SpoolFixture()
        await #expect(processExitsWith: .success) { [path = fixture.path as String] in
            signal(SIGXFSZ, SIG_IGN)
            let spool = try await SpoolFixture.openAlone(path)
            FileSizeLimit.set(UInt(await spool.walBytes()))
            for _ in 0..<2 {
                let failed = await Result.of { try await spool.append(Make.request(Make.batch(0..<3000))) }
                guard case .failure = failed else { preconditionFailure("the disk takes nothing") }
            }
            FileSizeLimit.remove()
            let refused = await Result.of { try await spool.append(Make.request(Make.batch(0..<1))) }
            guard case .failure(let error as SpoolError) = refused, error.code == .unavailable else {
                preconditionFailure("\(refused)")
            }
        }
        // What is on disk is sound: the file can be opened again.
        let spool = try await fixture.open()
        #expect(try await spool.books("a").balances)
        await spool.close()
    }

    @Test func `a settle whose commit failed can be settled again`() async throws {
        let fixture = try SpoolFixture()
        await #expect(processExitsWith: .success) { [path = fixture.path as String] in
            signal(SIGXFSZ, SIG_IGN)
            let spool = try await SpoolFixture.openAlone(path)
            _ = try await spool.append(Make.request(Make.batch(0..<10)))
            let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 10)))
            FileSizeLimit.set(UInt(await spool.walBytes()))
            let failed = await Result.of { try await spool.settle(lease, Make.all(lease, .delivered)) }
            guard case .failure(let error as SpoolError) = failed, error.code == .commitFailed else {
                preconditionFailure("\(failed)")
            }
            FileSizeLimit.remove()
            try await spool.settle(lease, Make.all(lease, .delivered))
            let books = try await spool.books("a")
            precondition(books.deliveredPoints == 10 && books.balances, "\(books)")
            await spool.close()
        }
    }

    @Test func `a damaged block becomes a loss of every backend that is owed it`() async throws {
        let fixture = try SpoolFixture(cacheBytes: 0)
        let spool = try await fixture.open(["a", "b"])
        for index in 0..<3 { _ = try await spool.append(Make.request(Make.batch(index * 10..<index * 10 + 10))) }
        _ = try await spool.integer(
            "UPDATE batches SET block = substr(block, 1, length(block) - 1) WHERE sequence = 2")
        let lease = try #require(try await spool.lease(backend: "a", limit: LeaseLimit(points: 100)))
        #expect(lease.values == Array(0..<10) + Array(20..<30))
        let losses = try await spool.losses()
        #expect(losses.map(\.points) == [10, 10] && Set(losses.map(\.backend)) == ["a", "b"])
        #expect(losses.allSatisfy { $0.reason == .corruption && $0.places?.contains(Place(2, 9)) == true })
        #expect(try await spool.books("a").balances)
        #expect(try await spool.books("b").lostPoints == 10)
        await spool.close()
    }
}

extension Result where Failure == any Error, Success: Sendable {
    static func of(_ body: () async throws -> Success) async -> Self {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}

/// The largest file this process may write.
private enum FileSizeLimit {
    static func set(_ bytes: UInt) { apply(rlim_t(bytes)) }
    static func remove() { apply(rlim_t.max) }

    private static func apply(_ bytes: rlim_t) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        limit.rlim_cur = min(bytes, limit.rlim_max)
        precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0, "the limit cannot be set")
    }
}
