import Metrics
import TestSupport
import Testing

@testable import WALStore

#if canImport(Glibc)
    import Glibc
#endif

/// A request that is sent again is one with its first sending (rule 10).
struct SpoolResendTests {
    private static func part(_ lines: Range<Int>, of stream: String = "s") -> AppendRequest {
        var request = Make.request(Make.batch(lines))
        request.mark = RequestMark(stream: stream, lines: Int64(lines.lowerBound)..<Int64(lines.upperBound))
        return request
    }

    private static func keyed(_ values: Range<Int>, key: UInt8 = 1, body: UInt8 = 1) -> AppendRequest {
        var request = Make.request(Make.batch(values))
        request.mark = RequestMark(key: [key], body: [body])
        return request
    }

    /// What each of these is answered when they are one commit group.
    private static func together(
        _ requests: [AppendRequest], _ fixture: SpoolFixture, _ spool: Spool
    ) async -> [Result<AppendReceipt, SpoolError>] {
        let gate = Semaphore()
        fixture.writer.submit { gate.wait() }
        var waiting: [Task<Result<AppendReceipt, SpoolError>, Never>] = []
        for request in requests {
            let queued = spool.queued
            waiting.append(
                Task {
                    do throws(SpoolError) { return .success(try await spool.append(request)) } catch {
                        return .failure(error)
                    }
                })
            while spool.queued == queued { await Task.yield() }
        }
        gate.post()
        var answers: [Result<AppendReceipt, SpoolError>] = []
        for task in waiting { answers.append(await task.value) }
        return answers
    }

    private static func code(_ answer: Result<AppendReceipt, SpoolError>) -> SpoolError.Code? {
        do throws(SpoolError) {
            _ = try answer.get()
            return nil
        } catch {
            return error.code
        }
    }

    /// Why nobody is told how far the stream is.
    private static func lookUp(_ spool: Spool) async -> SpoolError.Code? {
        do throws(SpoolError) {
            _ = try await spool.progress(of: .stream("s"))
            return nil
        } catch {
            return error.code
        }
    }

    private static func owed(_ spool: Spool) async throws -> [Int] {
        let lease = try await spool.lease(backend: "a", limit: LeaseLimit(points: 10_000))
        if let lease { await spool.release(lease) }
        return lease?.values ?? []
    }

    // MARK: Streams

    @Test func `the count of a stream is that of its committed lines, also after a kill`() async throws {
        let fixture = try SpoolFixture()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = fixture.path as String] in
            let spool = try await SpoolFixture.openAlone(path)
            _ = try await spool.append(SpoolResendTests.part(0..<5))
            _ = try await spool.append(SpoolResendTests.part(5..<9))
            kill(getpid(), SIGKILL)
        }
        let spool = try await fixture.open()
        #expect(try await spool.progress(of: .stream("s"))?.committedLines == 9)
        #expect(try await spool.progress(of: .stream("other")) == nil)
        #expect(try await Self.owed(spool) == Array(0..<9))
        await spool.close()
    }

    @Test(arguments: [0..<3, 3..<6, 6..<9, 4..<8]) func `lines that do not follow are refused with the count`(
        _ lines: Range<Int>
    ) async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        _ = try await spool.append(Self.part(0..<5))
        let answer = await Self.together([Self.part(lines)], fixture, spool)[0]
        #expect(throws: SpoolError.self) { try answer.get() }
        guard case .failure(let error) = answer else { return }
        #expect(error.code == .outOfStep && error.committedLines == 5)
        #expect(try await Self.owed(spool) == Array(0..<5))
        await spool.close()
    }

    @Test func `parts of a stream that share a group are measured one after another`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        let answers = await Self.together(
            [Self.part(0..<5), Self.part(0..<5), Self.part(5..<7), Self.part(0..<2, of: "t")], fixture, spool)
        #expect(answers.map(Self.code) == [nil, .outOfStep, nil, nil])
        #expect(try await spool.progress(of: .stream("s"))?.committedLines == 7)
        #expect(try await Self.owed(spool).sorted() == [0, 0, 1, 1, 2, 3, 4, 5, 6])
        await spool.close()
    }

    @Test func `a stream beyond the limit is refused, and one that was idle for long makes room`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        var configuration = fixture.configuration()
        configuration.resend.maximumStreams = 2
        configuration.resend.streamSeconds = 100
        try await spool.configure(configuration)
        let answers = await Self.together(
            [Self.part(0..<1, of: "a"), Self.part(0..<1, of: "b"), Self.part(0..<1, of: "c")], fixture, spool)
        #expect(answers.map(Self.code) == [nil, nil, .full])
        fixture.advance(seconds: 60)
        _ = try await spool.append(Self.part(1..<2, of: "a"))
        fixture.advance(seconds: 60)
        try await spool.maintain()
        #expect(try await spool.progress(of: .stream("a"))?.committedLines == 2, "somebody has added to it")
        #expect(try await spool.progress(of: .stream("b")) == nil)
        _ = try await spool.append(Self.part(0..<1, of: "c"))
        await spool.close()
    }

    // MARK: Keys

    @Test func `of equal requests with one key in a group one is stored, and each has its answer`() async throws {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open()
        let plain = Make.request(Make.batch(10..<12))
        let answers = await Self.together(
            [Self.keyed(0..<5), plain, Self.keyed(0..<5), Self.keyed(0..<5), Self.keyed(5..<6, key: 2)], fixture, spool)
        let receipts = try answers.map { try $0.get() }
        #expect(receipts.map(\.storedPoints) == [5, 2, 5, 5, 1])
        #expect(receipts.map(\.isRepeat) == [false, false, true, true, false])
        #expect(try await Self.owed(spool).sorted() == [0, 1, 2, 3, 4, 5, 10, 11])
        #expect(try await spool.status().acceptedRequests == 3)
        await spool.abandon()
        spool = try await fixture.open()
        let again = try await spool.append(Self.keyed(0..<5))
        #expect(again.isRepeat && again.storedPoints == 5, "also after a kill")
        #expect(try await spool.status().acceptedPoints == 8)
        await spool.close()
    }

    @Test func `a key with another body is refused, in a group and later`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        let answers = await Self.together([Self.keyed(0..<5), Self.keyed(5..<9, body: 2)], fixture, spool)
        #expect(answers.map(Self.code) == [nil, .otherRequest])
        #expect(await Self.together([Self.keyed(5..<9, body: 2)], fixture, spool).map(Self.code) == [.otherRequest])
        #expect(try await Self.owed(spool) == Array(0..<5))
        await spool.close()
    }

    @Test func `a request that failed is tried anew, in its group and later`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        await spool.admit(.reject("a test"))
        let failed = await Self.together([Self.keyed(0..<5), Self.keyed(0..<5)], fixture, spool)
        #expect(failed.map(Self.code) == [.full, .full])
        await spool.admit(.accept)
        let receipt = try await spool.append(Self.keyed(0..<5))
        #expect(!receipt.isRepeat && receipt.storedPoints == 5)
        await spool.admit(.reject("a test"))
        #expect(try await spool.append(Self.keyed(0..<5)).isRepeat, "what is stored needs no room")
        await spool.close()
    }

    @Test func `what a full spool dropped is not dropped again`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        await spool.admit(.dropNewest)
        let first = try await spool.append(Self.keyed(0..<5))
        let again = try await spool.append(Self.keyed(0..<5))
        #expect(first.droppedPoints == 5 && !first.isRepeat)
        #expect(again.droppedPoints == 5 && again.isRepeat)
        _ = try await spool.append(Self.part(0..<3))
        #expect(try await spool.progress(of: .stream("s"))?.committedLines == 3)
        #expect(try await spool.integer("SELECT dropped_points FROM spool") == 8)
        await spool.close()
    }

    @Test func `of too many keys the oldest are forgotten, and each after its time`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        var configuration = fixture.configuration()
        configuration.resend.maximumKeys = 3
        configuration.resend.keySeconds = 100
        try await spool.configure(configuration)
        for key in UInt8(1)...5 { _ = try await spool.append(Self.keyed(0..<1, key: key)) }
        var known: [UInt8] = []
        for key in UInt8(1)...5 where try await spool.progress(of: .key([key])) != nil { known.append(key) }
        #expect(known == [3, 4, 5])
        fixture.advance(seconds: 101)
        try await spool.maintain()
        #expect(try await spool.integer("SELECT count(*) FROM request_keys") == 0)
        #expect(try await !spool.append(Self.keyed(0..<1, key: 5)).isRepeat)
        await spool.close()
    }

    @Test func `parts of a request with a key go on where it was cut, and the last one ends it`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        func part(_ lines: Range<Int>, body: UInt8, isLast: Bool = false) -> AppendRequest {
            var request = Make.request(Make.batch(lines))
            request.mark = RequestMark(
                key: [7], lines: Int64(lines.lowerBound)..<Int64(lines.upperBound), body: [body], isLast: isLast)
            return request
        }
        _ = try await spool.append(part(0..<4, body: 4))
        // Two of them went on from there.
        let answers = await Self.together([part(4..<6, body: 6), part(4..<7, body: 7)], fixture, spool)
        #expect(answers.map(Self.code) == [nil, .outOfStep])
        // A body that is committed whole is none of which there can be a part.
        #expect(await Self.together([Self.keyed(0..<3, key: 7)], fixture, spool).map(Self.code) == [.otherRequest])
        _ = try await spool.append(part(6..<8, body: 8, isLast: true))
        let progress = try #require(try await spool.progress(of: .key([7])))
        #expect(progress.isComplete && progress.committedLines == 8 && progress.storedPoints == 8)
        #expect(await Self.together([part(8..<9, body: 9)], fixture, spool).map(Self.code) == [.outOfStep])
        #expect(try await spool.append(part(0..<8, body: 8, isLast: true)).isRepeat)
        #expect(try await Self.owed(spool) == Array(0..<8))
        await spool.close()
    }

    // MARK: The disk

    @Test func `what may not be on the disk is told to nobody`() async throws {
        let fixture = try SpoolFixture()
        var spool = try await fixture.open()
        _ = try await spool.append(Self.part(0..<5))
        _ = try await spool.append(Self.keyed(5..<6))
        await spool.abandon()
        // A reader outside keeps the log from being written anew.
        let outside = try Connection(path: fixture.path, access: .readOnly)
        try outside.execute("BEGIN")
        _ = try outside.integer("SELECT count(*) FROM streams")
        spool = try await fixture.open()
        #expect(await Self.lookUp(spool) == .commitFailed)
        #expect(await Self.together([Self.keyed(5..<6)], fixture, spool).map(Self.code) == [.commitFailed])
        try outside.execute("COMMIT")
        outside.close()
        #expect(try await spool.progress(of: .stream("s"))?.committedLines == 5)
        #expect(try await spool.append(Self.keyed(5..<6)).isRepeat)
        await spool.close()
    }

    @Test func `a spool that nobody sends a key to has no statement for it`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        _ = try await spool.append(Make.request(Make.batch(0..<5)))
        try await spool.maintain()
        #expect(await !spool.hasResendStatements)
        _ = try await spool.append(Self.keyed(5..<6))
        #expect(await spool.hasResendStatements)
        await spool.close()
    }
}

extension Spool {
    fileprivate func admit(_ admission: Admission) { self.admission = admission }
    fileprivate var hasResendStatements: Bool { database?.hasResendStatements == true }
}
