import Metrics
import TestSupport
import WALStore

/// A point of a simulation: its value is its number, so that it is known again wherever it turns up.
enum SimulatedPoint {
    /// What a backend makes of it, by its number: part of the point, not of chance, so that each attempt meets the same.
    enum Nature: Equatable {
        case plain
        /// Every backend refuses it for good.
        case poison
        /// The order-keeping backend answers 500 to it, for ever.
        case stuck
        /// Not a number: only remote write can carry it.
        case unrepresentable
    }

    static func nature(_ number: Int) -> Nature {
        if number % 197 == 7 { return .poison }
        if number % 389 == 11 { return .stuck }
        if number % 61 == 3 { return .unrepresentable }
        return .plain
    }

    static func bits(_ number: Int) -> UInt64 {
        // A payload below that of the stale marker's kind, so that no encoder takes it for one.
        nature(number) == .unrepresentable ? 0x7ff8_0000_0000_0000 | UInt64(number) : Double(number).bitPattern
    }

    static func number(_ bits: UInt64) -> Int {
        bits >> 48 == 0x7ff8 ? Int(bits & 0xffff_ffff_ffff) : Int(exactly: Double(bitPattern: bits)) ?? -1
    }

    /// Milliseconds since the epoch; each point of a simulation has its own, and later ones have later ones.
    static func time(_ number: Int) -> Int64 { (1_790_000_000_000 + Int64(number)) * 1_000_000 }
}

/// One request of a simulated client, and what became of it.
///
/// `@unchecked Sendable`: used on the simulation's one thread only.
final class SimulatedRequest: @unchecked Sendable {
    enum Answer: Equatable {
        /// The process ended first.
        case none
        case acknowledged(AppendReceipt)
        case failed(String)
    }

    let id: String
    let tenant: String
    let numbers: Range<Int>
    var answer = Answer.none
    /// What the oracle has found of it in the spool.
    var isFoundWhole = false

    init(id: String, tenant: String, numbers: Range<Int>) {
        self.id = id
        self.tenant = tenant
        self.numbers = numbers
    }

    /// - Parameters:
    ///   - series: how many series the points are spread over, in turn.
    ///   - bulk: incompressible bytes that travel as the help of one metric, for tenants whose budget is to be felt.
    func append(series: Int, bulk: String) -> AppendRequest {
        var batch = Batch()
        var ids: [UInt32] = []
        for number in 0..<series {
            var builder = LabelBuilder()
            builder.add("__name__", "simulated_\(number)")
            builder.add("instance", "client:9100")
            do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
            ids.append(builder.canonical.withUnsafeBytes { batch.series.intern($0) })
        }
        for number in numbers {
            batch.points.appendFloat64(
                series: ids[number % series], time: SimulatedPoint.time(number), bits: SimulatedPoint.bits(number))
        }
        if !bulk.isEmpty {
            batch.metadata.append(MetricMetadata(family: "simulated_0", kind: .gauge, help: bulk, unit: ""))
        }
        var decoded = DecodedRequest()
        decoded.batch = batch
        var plain: [UInt8] = []
        var encoder = RemoteWriteEncoder()
        encoder.append(batch, 0..<batch.points.count, into: &plain)
        return AppendRequest(
            decoded: decoded, source: "prometheus_remote_write", peer: "127.0.0.1", requestID: id, bodyBytes: 100,
            body: bulk.isEmpty && !numbers.isEmpty ? SimulatedWire.literalBlock(plain) : nil)
    }
}

/// Text that does not compress, made once: requests take pieces of it.
struct SimulatedNoise {
    private let text: [UInt8]

    init(bytes: Int, _ random: inout SeededGenerator) {
        text = (0..<bytes).map { _ in UInt8(ascii: "0") + UInt8(random.next() % 64) }
    }

    /// - Parameter turn: pieces of different turns begin elsewhere.
    func prefix(of bytes: Int, turn: Int) -> String {
        guard bytes > 0 else { return "" }
        let start = turn * 977 % max(1, text.count - bytes)
        return String(decoding: text[start..<min(text.count, start + bytes)], as: UTF8.self)
    }
}
