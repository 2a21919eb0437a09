@testable import Metrics

/// Remote write messages by hand, byte by byte, so that the decoder is not tested against our own writer.
enum RemoteWriteMessage {
    static func varint(_ value: UInt64) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
    }
    static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }
    static func field(_ number: Int, _ bytes: [UInt8]) -> [UInt8] {
        varint(UInt64(number) << 3 | 2) + varint(UInt64(bytes.count)) + bytes
    }
    static func field(_ number: Int, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
    static func field(_ number: Int, varint value: UInt64) -> [UInt8] { varint(UInt64(number) << 3) + varint(value) }
    static func field(_ number: Int, double bits: UInt64) -> [UInt8] {
        varint(UInt64(number) << 3 | 1) + (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) }
    }
    static func field(_ number: Int, _ value: Double) -> [UInt8] { field(number, double: value.bitPattern) }

    static func label(_ name: String, _ value: String) -> [UInt8] { field(1, field(1, name) + field(2, value)) }
    static func labels(_ pairs: [(String, String)]) -> [UInt8] { pairs.flatMap { label($0.0, $0.1) } }
    static func sample(_ value: Double, _ milliseconds: Int64) -> [UInt8] {
        sample(bits: value.bitPattern, milliseconds)
    }
    static func sample(bits: UInt64, _ milliseconds: Int64) -> [UInt8] {
        field(2, field(1, double: bits) + field(2, varint: UInt64(bitPattern: milliseconds)))
    }
    static func exemplar(_ pairs: [(String, String)], _ value: Double, _ milliseconds: Int64) -> [UInt8] {
        field(3, labels(pairs) + field(2, value) + field(3, varint: UInt64(bitPattern: milliseconds)))
    }
    static func series(_ pairs: [(String, String)], _ rest: [UInt8]) -> [UInt8] { field(1, labels(pairs) + rest) }

    static func decode(_ body: [UInt8], _ limits: WireLimits = .standard) throws -> DecodedRequest {
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        try body.withUnsafeBytes { try decoder.decode($0, limits: limits, into: &request) }
        return request
    }
}

/// A point as a test reads it.
struct ReadablePoint: Equatable, CustomStringConvertible {
    var labels: [String: String]
    var milliseconds: Int64
    var kind: PointKind
    var bits: UInt64
    var histogram: ExponentialHistogram?
    var description: String { "\(labels) \(kind) \(String(bits, radix: 16)) @\(milliseconds)" }

    init(_ batch: Batch, _ ordinal: Int) {
        var labels: [String: String] = [:]
        batch.series.withLabels(of: batch.points.series[ordinal]) { bytes in
            var rest = LabelIterator(bytes)
            while let label = rest.next() { labels[label.nameString] = label.valueString }
        }
        self.labels = labels
        milliseconds = batch.points.times[ordinal] / 1_000_000
        kind = batch.points.kind(at: ordinal)
        bits = batch.points.bits[ordinal]
        if kind == .exponentialHistogram {
            histogram = batch.exponentialHistograms[Int(bits)]
            bits = 0
        }
    }

    static func all(of batch: Batch) -> [ReadablePoint] {
        (0..<batch.points.count).map { ReadablePoint(batch, $0) }
    }
}
