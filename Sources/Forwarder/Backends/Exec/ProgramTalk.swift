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
///
/// The time that a request has for its answer begins with its first byte: what stands in line is not the program's doing.
struct ProgramTalk {
    typealias Completion = @Sendable (ProgramReply) -> Void

    private struct Entry {
        var tenant: String
        var points: Int
        /// Nothing else is written while it has no answer.
        var isAlone: Bool
        var head: [UInt8]
        var body: [UInt8]
        var written = 0
        /// Boot clock, nanoseconds: for its first byte, and from then on for its answer.
        var deadline: Int64
        /// nil: nobody waits any more.
        var completion: Completion?
        var bytes: Int { head.count + body.count }
    }

    private let concurrency: Int
    private let patience: Int64
    private var entries: [UInt64: Entry] = [:]
    /// Those that are not written to their end, in order.
    private var unwritten: [UInt64] = []
    /// Those of which a byte was written.
    private var underWay: Set<UInt64> = []

    /// - Parameters:
    ///   - concurrency: how many requests may be written and not answered.
    ///   - patience: time for an answer from a request's first byte on, nanoseconds.
    init(concurrency: Int = 1, patience: Int64 = 0) {
        (self.concurrency, self.patience) = (concurrency, patience)
    }

    var isIdle: Bool { entries.isEmpty }
    var hasBytes: Bool { unwritten.first.map(mayBeWritten) ?? false }
    /// Whose requests the program has, a byte of them at least.
    var tenantsUnderWay: Set<String> { Set(underWay.compactMap { entries[$0]?.tenant }) }
    var nextDeadline: Int64? { entries.values.map(\.deadline).min() }

    /// - Parameters:
    ///   - deadline: for its first byte, boot clock, nanoseconds.
    ///   - isAlone: it is written when nothing else is under way, and nothing else until it is answered.
    mutating func add(
        _ id: UInt64, _ request: ProgramRequest, deadline: Int64, isAlone: Bool = false,
        _ completion: @escaping Completion
    ) {
        entries[id] = Entry(
            tenant: request.tenant, points: request.points, isAlone: isAlone, head: request.head(id: id),
            body: request.body, deadline: deadline, completion: completion)
        unwritten.append(id)
    }

    // MARK: Writing

    /// Lends what is to be written next; `write` says how much of it it took, 0 when it takes no more now.
    mutating func write(now: Int64 = 0, _ write: (UnsafeRawBufferPointer) -> Int) {
        while let id = unwritten.first, mayBeWritten(id), var entry = entries[id] {
            let part = entry.written < entry.head.count ? entry.head : entry.body
            let offset = entry.written < entry.head.count ? entry.written : entry.written - entry.head.count
            let count = part.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[offset...])) }
            guard count > 0 else { return }
            if entry.written == 0 { entry.deadline = now + patience }
            underWay.insert(id)
            entry.written += count
            if entry.written == entry.bytes {
                unwritten.removeFirst()
                // It is the caller's to send again; here nobody reads it any more.
                (entry.head, entry.body) = ([], [])
            }
            entries[id] = entry
        }
    }

    private func mayBeWritten(_ id: UInt64) -> Bool {
        if underWay.isEmpty || underWay.contains(id) { return true }
        guard underWay.count < concurrency, entries[id]?.isAlone == false else { return false }
        return !underWay.contains { entries[$0]?.isAlone == true }
    }

    // MARK: Endings

    /// - Returns: whose request it was.
    /// - Throws: when nobody asked, or not for so many points.
    @discardableResult
    mutating func answer(_ id: UInt64, _ answer: ProgramAnswer) throws(ProgramLine.Mistake) -> String {
        guard let entry = entries[id], entry.written > 0, !unwritten.contains(id) else {
            throw ProgramLine.Mistake(words: "an answer to request \(id), which was not sent or is answered already")
        }
        guard answer.fits(points: entry.points) else {
            throw ProgramLine.Mistake(words: "a verdict on a point that request \(id) does not have")
        }
        entries[id] = nil
        underWay.remove(id)
        entry.completion?(.answer(answer))
        return entry.tenant
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

    /// The program has started: from now on requests stand in line for others.
    mutating func startLine(deadline: Int64) {
        for id in unwritten { entries[id]?.deadline = deadline }
    }

    /// Ends the requests that stood in line for as long as they may. The program has nothing of them, and goes on.
    mutating func expire(now: Int64) {
        for (id, entry) in entries where entry.written == 0 && entry.deadline <= now {
            entries[id] = nil
            unwritten.removeAll { $0 == id }
            entry.completion?(Self.failure(entry, "the program had other requests to answer"))
        }
    }

    /// Whether a request that the program has waited for its answer for as long as it may.
    func isLate(now: Int64) -> Bool { entries.values.contains { $0.written > 0 && $0.deadline <= now } }

    /// The program is gone: what it was given may have arrived, what it was not given has not.
    mutating func fail(_ reason: String) {
        for entry in entries.values { entry.completion?(Self.failure(entry, reason)) }
        self = ProgramTalk(concurrency: concurrency, patience: patience)
    }

    mutating func hold(_ reason: String) {
        for entry in entries.values { entry.completion?(.hold(reason)) }
        self = ProgramTalk(concurrency: concurrency, patience: patience)
    }

    private static func failure(_ entry: Entry, _ reason: String) -> ProgramReply {
        .failure(TransportFailure(mayHaveArrived: entry.written > 0, reason: reason))
    }
}
