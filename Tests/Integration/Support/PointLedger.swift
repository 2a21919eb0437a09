import Foundation
import Synchronization
import TestSupport

/// Requests of unique points, and what was said about each, apart from Holdfast.
///
/// A request's points have the values `number * points ..< (number + 1) * points`.
final class PointLedger: Sendable {
    struct Entry: Sendable {
        var points: Int
        /// How often a 2xx came for a copy of it.
        var acknowledgements = 0
        /// Copies that got an error, or no answer: each may be there whole, or not at all.
        var doubtful = 0
    }

    static let stride = 1000
    private let state = Mutex<[Int: Entry]>([:])

    /// A new request of so many points, as JSON records.
    func make(_ points: Int) -> (number: Int, body: [UInt8]) {
        precondition(points <= PointLedger.stride, "a request's values must not reach into the next one's")
        let number = state.withLock { state in
            let number = state.count
            state[number] = Entry(points: points)
            return number
        }
        return (number, PointLedger.body(number, points))
    }

    static func body(_ number: Int, _ points: Int) -> [UInt8] {
        let lines = (0..<points).map { point in
            let value = number * stride + point
            // A time of its own: backends take two points of one series and time for one.
            let time = 1_790_000_000_000 + value
            return #"{"name":"point","labels":{"series":"\#(point % 7)"},"value":\#(value),"timestamp_ms":\#(time)}"#
        }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    func acknowledged(_ number: Int) { state.withLock { $0[number]?.acknowledgements += 1 } }
    func doubtful(_ number: Int) { state.withLock { $0[number]?.doubtful += 1 } }

    var entries: [Int: Entry] { state.withLock { $0 } }
    var acknowledgedRequests: Int { state.withLock { $0.values.count { $0.acknowledgements > 0 } } }

    /// What is wrong with what was stored, given how often each value is there.
    ///
    /// - Parameter exactly: whether copies are told apart: as many as were acknowledged, and as were doubtful at most.
    ///   Behind a backend that gets some twice, only presence counts.
    func faults(stored: [Int: Int], exactly: Bool) -> [String] {
        var faults: [String] = []
        var known = 0
        for (number, entry) in entries.sorted(by: { $0.key < $1.key }) {
            let values = number * PointLedger.stride..<number * PointLedger.stride + entry.points
            let counts = Set(values.map { stored[$0] ?? 0 })
            known += values.count { stored[$0] != nil }
            if exactly {
                guard counts.count == 1, let copies = counts.first else {
                    faults.append("request \(number) is there in part: \(counts)")
                    continue
                }
                let allowed = entry.acknowledgements...entry.acknowledgements + entry.doubtful
                if !allowed.contains(copies) { faults.append("request \(number): \(copies) copies, not \(allowed)") }
            } else if entry.acknowledgements > 0, counts.contains(0) {
                faults.append("request \(number) was acknowledged and is not there whole")
            } else if counts.contains(0), counts.count > 1 {
                faults.append("request \(number) is there in part")
            }
        }
        if known != stored.count { faults.append("\(stored.count - known) values are there that nobody sent") }
        return faults
    }

    /// How often each value is in an archive.
    static func stored(archive: String) throws -> [Int: Int] {
        var stored: [Int: Int] = [:]
        let files = FileManager.default.enumerator(atPath: archive)?.compactMap { $0 as? String } ?? []
        for file in files where file.contains(".ndjson") {
            let text = try Data(contentsOf: URL(fileURLWithPath: archive).appendingPathComponent(file))
            for line in text.split(separator: UInt8(ascii: "\n")) {
                guard let record = try JSONSerialization.jsonObject(with: line) as? [String: Any],
                    record["name"] as? String == "point", let value = record["value"] as? NSNumber
                else { continue }
                stored[value.intValue, default: 0] += 1
            }
        }
        return stored
    }
}
