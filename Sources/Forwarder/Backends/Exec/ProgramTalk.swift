import Metrics
import WALStore

/// A request to a program.
struct ProgramRequest: Sendable {
    var tenant: String
    var points: Int
    var attempt: Int
    /// A line a point.
    var body: [UInt8]

    /// The line in front of them. Its members stand in this order, so that a shell can take it apart.
    func head(id: UInt64) -> [UInt8] {
        var head: [UInt8] = []
        head.append(contentsOf: "{\"request\":".utf8)
        NumberPrinter.append(id, to: &head)
        head.append(contentsOf: ",\"points\":".utf8)
        NumberPrinter.append(Int64(points), to: &head)
        head.append(contentsOf: ",\"attempt\":".utf8)
        NumberPrinter.append(Int64(attempt), to: &head)
        head.append(contentsOf: ",\"tenant\":".utf8)
        JSONOutput.append(string: tenant, to: &head)
        head.append(contentsOf: "}\n".utf8)
        return head
    }
}

/// What became of a request to a program.
enum ProgramReply: Sendable, Equatable {
    case answer(ProgramAnswer)
    /// The program cannot be used until somebody does something.
    case hold(String)
    /// The program is not started yet again.
    case later(after: Duration, reason: String)
    case failure(TransportFailure)
}

/// The talk with one life of a program: what is to be written, and who waits for which answer.
///
/// Answers may come in any order. A request that nobody waits for any more keeps its entry once a byte of it was written:
/// the rest of it must follow, and its answer is still to come.
struct ProgramTalk {
    typealias Completion = @Sendable (ProgramReply) -> Void

    private struct Entry {
        var points: Int
        var head: [UInt8]
        var body: [UInt8]
        var written = 0
        /// Boot clock, nanoseconds.
        var deadline: Int64
        /// nil: nobody waits any more.
        var completion: Completion?
        var bytes: Int { head.count + body.count }
    }

    private var entries: [UInt64: Entry] = [:]
    /// Those that are not written to their end, in order.
    private var unwritten: [UInt64] = []

    var isIdle: Bool { entries.isEmpty }
    var hasBytes: Bool { !unwritten.isEmpty }
    var nextDeadline: Int64? { entries.values.map(\.deadline).min() }

    mutating func add(_ id: UInt64, _ request: ProgramRequest, deadline: Int64, _ completion: @escaping Completion) {
        entries[id] = Entry(
            points: request.points, head: request.head(id: id), body: request.body, deadline: deadline,
            completion: completion)
        unwritten.append(id)
    }

    // MARK: Writing

    /// Lends what is to be written next; `write` says how much of it it took, 0 when it takes no more now.
    mutating func write(_ write: (UnsafeRawBufferPointer) -> Int) {
        while let id = unwritten.first, var entry = entries[id] {
            let part = entry.written < entry.head.count ? entry.head : entry.body
            let offset = entry.written < entry.head.count ? entry.written : entry.written - entry.head.count
            let count = part.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[offset...])) }
            guard count > 0 else { return }
            entry.written += count
            if entry.written == entry.bytes {
                unwritten.removeFirst()
                // It is the caller's to send again; here nobody reads it any more.
                (entry.head, entry.body) = ([], [])
            }
            entries[id] = entry
        }
    }

    // MARK: Endings

    /// - Throws: when nobody asked, or not for so many points.
    mutating func answer(_ id: UInt64, _ answer: ProgramAnswer) throws(ProgramLine.Mistake) {
        guard let entry = entries[id], entry.written > 0, !unwritten.contains(id) else {
            throw ProgramLine.Mistake(words: "an answer to request \(id), which was not sent or is answered already")
        }
        guard answer.fits(points: entry.points) else {
            throw ProgramLine.Mistake(words: "a verdict on a point that request \(id) does not have")
        }
        entries[id] = nil
        entry.completion?(.answer(answer))
    }

    /// Nobody waits for it any more.
    mutating func cancel(_ id: UInt64) {
        guard let entry = entries[id] else { return }
        entry.completion?(Self.failure(entry, "the request was cancelled"))
        if entry.written == 0 {
            entries[id] = nil
            unwritten.removeAll { $0 == id }
        } else {
            entries[id]?.completion = nil
        }
    }

    /// Whether a request has waited for its answer for as long as it may.
    func isLate(now: Int64) -> Bool { entries.values.contains { $0.deadline <= now } }

    /// The program is gone: what it was given may have arrived, what it was not given has not.
    mutating func fail(_ reason: String) {
        for entry in entries.values { entry.completion?(Self.failure(entry, reason)) }
        self = ProgramTalk()
    }

    mutating func hold(_ reason: String) {
        for entry in entries.values { entry.completion?(.hold(reason)) }
        self = ProgramTalk()
    }

    private static func failure(_ entry: Entry, _ reason: String) -> ProgramReply {
        .failure(TransportFailure(mayHaveArrived: entry.written > 0, reason: reason))
    }
}
