import Synchronization
import Testing

@testable import Forwarder

/// What is written to a program when, and whose time runs.
struct ProgramTalkTests {
    private final class Replies: Sendable {
        private let all = Mutex<[UInt64: ProgramReply]>([:])
        subscript(_ id: UInt64) -> ProgramReply? { all.withLock { $0[id] } }
        func note(_ id: UInt64, _ reply: ProgramReply) { all.withLock { $0[id] = reply } }
    }

    private let replies = Replies()
    private let ok = try? ProgramLine.parse(Array("{\"answer\":1,\"outcome\":\"ok\"}".utf8))

    private func add(_ id: UInt64, to talk: inout ProgramTalk, isAlone: Bool = false) {
        let request = ProgramRequest(tenant: "tenant\(id)", points: 1, attempt: 1, body: [1])
        talk.add(id, request, deadline: 10, isAlone: isAlone) { [replies] in replies.note(id, $0) }
    }

    private func answer(_ id: UInt64, _ talk: inout ProgramTalk) throws {
        guard case .answer(_, let answer)? = ok else { throw ExecFixtureError.neverStarted }
        try talk.answer(id, answer)
    }

    @Test func `the time for an answer begins with the first byte, not in line`() throws {
        var talk = ProgramTalk(concurrency: 1, patience: 10)
        for id in 1...2 as ClosedRange<UInt64> { add(id, to: &talk) }
        talk.write(now: 0) { $0.count }
        #expect(talk.tenantsUnderWay == ["tenant1"] && !talk.hasBytes, "one at a time")
        try answer(1, &talk)
        talk.write(now: 8) { $0.count }
        #expect(!talk.isLate(now: 17))
        #expect(talk.isLate(now: 18))
    }

    @Test func `a request that stood in line for too long fails alone, and cannot have arrived`() throws {
        var talk = ProgramTalk(concurrency: 1, patience: 100)
        for id in 1...2 as ClosedRange<UInt64> { add(id, to: &talk) }
        talk.write(now: 0) { $0.count }
        talk.expire(now: 10)
        guard case .failure(let failure)? = replies[2] else {
            Issue.record("it does not wait any more")
            return
        }
        #expect(!failure.mayHaveArrived)
        #expect(!talk.isLate(now: 10) && replies[1] == nil)
        try answer(1, &talk)
        #expect(talk.isIdle)
    }

    @Test func `the start of the program is no time in line`() {
        var talk = ProgramTalk(concurrency: 1, patience: 10)
        add(1, to: &talk)
        talk.startLine(deadline: 20)
        talk.expire(now: 19)
        #expect(replies[1] == nil)
        talk.expire(now: 20)
        #expect(replies[1] != nil)
    }

    @Test func `a request of a suspect is under way alone`() throws {
        var talk = ProgramTalk(concurrency: 3, patience: 10)
        add(1, to: &talk)
        add(2, to: &talk, isAlone: true)
        add(3, to: &talk)
        talk.write { $0.count }
        #expect(talk.tenantsUnderWay == ["tenant1"])
        try answer(1, &talk)
        talk.write { $0.count }
        #expect(talk.tenantsUnderWay == ["tenant2"])
        try answer(2, &talk)
        talk.write { $0.count }
        #expect(talk.tenantsUnderWay == ["tenant3"])
    }
}
