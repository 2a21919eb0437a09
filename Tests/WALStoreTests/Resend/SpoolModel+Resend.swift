import Metrics
import TestSupport

@testable import WALStore

/// A client with a stream and requests with keys, which it sends again now and then.
extension SpoolModel {
    /// What a client was told of its stream and its keys.
    struct Marks {
        var streamLines: Int64 = 0
        /// By key: the points that its request brought.
        var keys: [Int] = []
        var repeats = 0
    }

    mutating func sendMarked() async throws {
        switch random.next() % 3 {
        case 0: try await sendLines()
        case 1: try await sendKeyed()
        default: try await sendAgain()
        }
        let found = try await spool.progress(of: .stream("model"))?.committedLines ?? 0
        guard found == marks.streamLines else {
            throw Failure(description: "\(marks.streamLines) lines were committed, the spool says \(found)")
        }
    }

    private mutating func sendLines() async throws {
        let count = Int(random.next() % 20)
        // Blank lines count, and bring no point.
        let end = marks.streamLines + Int64(count) + Int64(random.next() % 3)
        var request = Make.request(Make.batch(accepted..<accepted + count))
        request.mark = RequestMark(stream: "model", lines: marks.streamLines..<end)
        _ = try await spool.append(request)
        accept(Array(accepted..<accepted + count), owedBy: attached)
        marks.streamLines = end
    }

    private mutating func sendKeyed() async throws {
        let count = Int(random.next() % 20)
        let receipt = try await spool.append(keyed(marks.keys.count, Make.batch(accepted..<accepted + count)))
        guard !receipt.isRepeat else { throw Failure(description: "a new key was known") }
        accept(Array(accepted..<accepted + count), owedBy: attached)
        marks.keys.append(count)
    }

    private mutating func sendAgain() async throws {
        guard let key = marks.keys.indices.randomElement(using: &random) else { return }
        let receipt = try await spool.append(keyed(key, Make.batch(0..<marks.keys[key])))
        guard receipt.isRepeat, receipt.storedPoints == marks.keys[key] else {
            throw Failure(description: "key \(key) brought \(marks.keys[key]) points, its repeat says \(receipt)")
        }
        marks.repeats += 1
    }

    private func keyed(_ key: Int, _ batch: Batch) -> AppendRequest {
        var request = Make.request(batch)
        request.mark = RequestMark(key: [UInt8(key & 0xff), UInt8(key >> 8)], body: [1])
        return request
    }
}
