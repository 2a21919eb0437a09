import Synchronization
import WALStore

@testable import Forwarder

extension FuzzTarget {
    /// What a program says: the first byte is the number of points of its request, the second how much is read at a time.
    /// Lines are those of the whole, however they are cut; a request is answered once at most, and no verdict is on a point
    /// that it does not have, or on one twice.
    static let programLine = FuzzTarget("program_line", maximumBytes: 2048, seeds: { ProgramSeeds.all }) { bytes in
        var input = FuzzInput(bytes)
        let points = Int(input.byte() % 9)
        let step = Int(input.byte() % 64) + 1
        let limit = 300
        let lines = ProgramChecks.lines(of: input, step: step, limit: limit)
        var expected = input.split(10).dropLast().map { Array($0) }
        if let overlong = expected.firstIndex(where: { $0.count > limit }) { expected.removeSubrange(overlong...) }
        try require(lines == expected, "the same lines, \(step) bytes at a time")

        let answered = Mutex<[ProgramReply]>([])
        var talk = ProgramTalk()
        let request = ProgramRequest(tenant: "acme", points: points, attempt: 1, body: [1])
        talk.add(1, request, deadline: 0) { reply in answered.withLock { $0.append(reply) } }
        talk.write { $0.count }
        for line in lines {
            guard case .answer(let id, let answer)? = try? ProgramLine.parse(line) else { continue }
            _ = try? talk.answer(id, answer)
        }
        let replies = answered.withLock { $0 }
        try require(replies.count <= 1 && talk.isIdle == !replies.isEmpty, "one answer ends a request")
        if case .answer(let answer)? = replies.first { try ProgramChecks.hold(for: answer, points) }
    }
}

private enum ProgramChecks {
    static func lines(of input: FuzzInput, step: Int, limit: Int) -> [[UInt8]] {
        var buffer = LineBuffer(limit: limit)
        var all: [[UInt8]] = []
        var rest = input
        while !rest.isEmpty {
            buffer.append(rest.take(step))
            while let line = buffer.next() { all.append(line) }
            if buffer.isOverlong { break }
        }
        return all
    }

    /// Points 0..<points are three runs of two pieces.
    static func hold(for answer: ProgramAnswer, _ points: Int) throws {
        let (first, second) = (points / 3, points / 2)
        let runs = [
            LeasedRun(piece: 0, ordinals: 10..<10 + first), LeasedRun(piece: 0, ordinals: 20 + first..<20 + second),
            LeasedRun(piece: 1, ordinals: 0..<points - second),
        ]
        guard case .partly(let items) = answer.outcome(of: runs) else { return }
        let sent = runs.flatMap { run in run.ordinals.map { [run.piece, $0] } }
        let named = items.flatMap(\.runs).flatMap { run in run.ordinals.map { [run.piece, $0] } }
        try require(Set(named).count == named.count, "no point has two verdicts")
        try require(Set(named).isSubset(of: sent), "each was sent")
        for item in items { try require(!item.runs.isEmpty, "a verdict is on something") }
    }
}

private enum ProgramSeeds {
    static let all: [[UInt8]] = [
        (0, 7, "{\"hello\":1}\n{\"answer\":1,\"outcome\":\"ok\"}\n"),
        (3, 63, "{\"answer\":1,\"outcome\":\"retry\",\"after_ms\":86400000,\"reason\":\"busy\"}\n"),
        (
            8, 20,
            "{\"answer\":1,\"outcome\":\"points\",\"points\":[{\"index\":7,\"outcome\":\"hold\"},"
                + "{\"index\":1,\"count\":4,\"outcome\":\"refused\",\"reason\":\"odd\"}]}\n"
        ),
        (5, 1, "{\"answer\":1,\"outcome\":\"points\",\"points\":[{\"index\":4,\"outcome\":\"already_there\"}]}\n"),
        (1, 2, "\n\n[\n{\"answer\":2,\"outcome\":\"hold\"}\n"),
    ].map { [UInt8($0.0), UInt8($0.1)] + Array($0.2.utf8) }
}
