import Foundation
import Metrics
import Synchronization
import TestSupport

/// A backend that decodes what it is sent, keeps the values it took, and answers with every outcome there is, by chance.
///
/// What it answers with success, or stores before it breaks the connection, is in `values`; nothing else is.
final class JudgingBackend: Sendable {
    enum Wire { case remoteWrite, influx }

    /// Points it never takes: whoever sends one gets 400, alone or among others, and has to find out which it is.
    static func isPoison(_ value: Int) -> Bool { value % 1009 == 1008 }

    private struct State {
        var random: SeededGenerator
        var values: [String: Set<Int>] = [:]
        var outcomes: [String: Int] = [:]
        var isKind = false
        var fault: String?
    }
    private let state: Mutex<State>
    private let server: HTTPTestServer
    private let wire: Wire

    init(_ wire: Wire, seed: UInt64) throws {
        self.wire = wire
        state = Mutex(State(random: SeededGenerator(seed: seed)))
        server = try HTTPTestServer(keepsBodies: false)
        server.answer { [weak self] request, _ in self?.answer(request) ?? .reset }
    }

    var url: String { server.url }
    func stop() { server.stop() }
    /// From now on everything it can take is taken: what is left must arrive.
    func beKind() { state.withLock { $0.isKind = true } }

    /// By the label `tenant`.
    func values(of tenant: String) -> Set<Int> { state.withLock { $0.values[tenant] ?? [] } }
    /// How often each outcome was chosen.
    var outcomes: [String: Int] { state.withLock { $0.outcomes } }
    /// A request that could not be decoded, which a well-made sender never sends.
    var fault: String? { state.withLock { $0.fault } }

    private enum Choice: String {
        case accept, storeAndReset = "stored, then reset", reset, unavailable = "503", failed = "500", limited = "429"
        case tooLarge = "413", poisoned = "400"
    }

    private func answer(_ request: HTTPTestServer.Request) -> HTTPTestServer.Action {
        let points: [(tenant: String, value: Int)]
        do { points = try decode(request) } catch {
            state.withLock { $0.fault = "\(error)" }
            return .text(400, "undecodable: \(error)")
        }
        let choice = state.withLock { state -> Choice in
            let choice = JudgingBackend.choose(points.map(\.value), state.isKind, &state.random)
            state.outcomes[choice.rawValue, default: 0] += 1
            if choice == .accept || choice == .storeAndReset {
                for point in points { state.values[point.tenant, default: []].insert(point.value) }
            }
            return choice
        }
        switch choice {
        case .accept: return .reply(204)
        case .storeAndReset, .reset: return .reset
        case .unavailable: return .reply(503, headers: [("Retry-After", "1")])
        case .failed: return .text(500, "internal error")
        case .limited: return .reply(429)
        case .tooLarge: return .reply(413)
        case .poisoned: return .text(400, "a value nobody wants")
        }
    }

    private static func choose(_ values: [Int], _ isKind: Bool, _ random: inout SeededGenerator) -> Choice {
        let dice = random.next() % 100
        if isKind { return values.contains(where: isPoison) ? .poisoned : .accept }
        switch dice {
        case 0..<6: return .reset
        case 6..<10: return .unavailable
        case 10..<16: return .failed
        case 16..<20: return .limited
        case 20..<26 where values.count > 20: return .tooLarge
        default:
            if values.contains(where: isPoison) { return .poisoned }
            return dice < 34 ? .storeAndReset : .accept
        }
    }

    private func decode(_ request: HTTPTestServer.Request) throws -> [(tenant: String, value: Int)] {
        var plain: [UInt8] = []
        let coding = ContentCoding(header: request.headers["content-encoding"]) ?? .identity
        var decompressor = Decompressor(coding, limit: 64 << 20)
        try request.body.withUnsafeBytes { try decompressor.feed($0, into: &plain) }
        try decompressor.finish(into: &plain)
        var decoded = DecodedRequest()
        switch wire {
        case .remoteWrite:
            var decoder = RemoteWriteDecoder()
            try plain.withUnsafeBytes { try decoder.decode($0, into: &decoded) }
        case .influx: decoded = try WireDecoding.lines(plain)
        }
        let batch = decoded.batch
        guard decoded.refusals.isEmpty else { throw TestFailure("refused parts: \(decoded.refusals)") }
        let tenants = (0..<batch.series.count).map { id in
            batch.series.withLabels(of: UInt32(id)) { labels in
                LabelIterator(labels).first { $0.nameString == "tenant" }?.valueString ?? ""
            }
        }
        return (0..<batch.points.count).map { ordinal in
            let bits = batch.points.bits[ordinal]
            let value =
                batch.points.kind(at: ordinal) == .int64 ? Int(Int64(bitPattern: bits)) : Int(Double(bitPattern: bits))
            return (tenants[Int(batch.points.series[ordinal])], value)
        }
    }
}
