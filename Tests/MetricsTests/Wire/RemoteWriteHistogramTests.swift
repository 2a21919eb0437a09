import Testing

@testable import Metrics

private typealias Message = RemoteWriteMessage

@Suite struct RemoteWriteHistogramTests {
    private static let up = [("__name__", "latency")]

    private static func span(_ offset: Int64, _ length: UInt64) -> [UInt8] {
        Message.field(1, varint: Message.zigzag(offset)) + Message.field(2, varint: length)
    }
    private static func packed(_ deltas: [Int64]) -> [UInt8] { deltas.flatMap { Message.varint(Message.zigzag($0)) } }
    private static func doubles(_ values: [Double]) -> [UInt8] {
        values.flatMap { Array(Message.field(1, $0).dropFirst()) }
    }
    private static func schema(_ value: Int64) -> [UInt8] { Message.field(4, varint: Message.zigzag(value)) }
    private static func decode(_ fields: [UInt8]) throws -> DecodedRequest {
        try Message.decode(Message.series(up, Message.sample(1, 1) + Message.field(4, fields)))
    }

    /// Integer, one empty bucket between two spans.
    private static let integer =
        Message.field(1, varint: 9) + Message.field(3, 18.5) + schema(3) + Message.field(5, 1e-128)
        + Message.field(6, varint: 2) + Message.field(11, span(-4, 2)) + Message.field(11, span(1, 1))
        + Message.field(12, packed([3, -2, 2])) + Message.field(14, varint: 3) + Message.field(15, varint: 1234)

    @Test func `an integer histogram keeps every field`() throws {
        let batch = try Self.decode(Self.integer).batch
        #expect(batch.points.kinds == [.float64, .exponentialHistogram])
        #expect(batch.points.times == [1_000_000, 1_234_000_000])
        #expect(
            batch.exponentialHistograms == [
                ExponentialHistogram(
                    count: .integer(9), sumBits: (18.5).bitPattern, schema: 3,
                    zeroThresholdBits: (1e-128).bitPattern, zeroCount: .integer(2),
                    positive: HistogramBuckets(
                        spans: [BucketSpan(offset: -4, length: 2), BucketSpan(offset: 1, length: 1)],
                        deltas: [3, -2, 2]),
                    resetHint: 3)
            ])
    }

    @Test func `numbers one a field are the same as packed ones`() throws {
        let unpacked =
            Message.field(1, varint: 9) + Message.field(3, 18.5) + Self.schema(3) + Message.field(5, 1e-128)
            + Message.field(6, varint: 2) + Message.field(11, Self.span(-4, 2)) + Message.field(11, Self.span(1, 1))
            + [Int64(3), -2, 2].flatMap { Message.field(12, varint: Message.zigzag($0)) }
            + Message.field(14, varint: 3) + Message.field(15, varint: 1234)
        #expect(try Self.decode(unpacked) == Self.decode(Self.integer))
    }

    @Test func `a float histogram with custom buckets keeps every field`() throws {
        let fields =
            Message.field(2, 3.5) + Message.field(3, double: FloatBits.normalNaN) + Self.schema(-53)
            + Message.field(7, 0.0) + Message.field(11, Self.span(0, 3))
            + Message.field(13, Self.doubles([1.5, 0, 2])) + Message.field(16, Self.doubles([0.5, 5]))
        let batch = try Self.decode(fields).batch
        #expect(
            batch.exponentialHistograms == [
                ExponentialHistogram(
                    count: .float((3.5).bitPattern), sumBits: FloatBits.normalNaN, schema: -53, zeroCount: .float(0),
                    positive: HistogramBuckets(
                        spans: [BucketSpan(offset: 0, length: 3)],
                        counts: [(1.5).bitPattern, 0, (2.0).bitPattern]),
                    customBounds: [(0.5).bitPattern, (5.0).bitPattern])
            ])
    }

    private static let contradictions: [(String, [[UInt8]])] = [
        ("fewer counts than buckets", [schema(0), Message.field(11, span(0, 3)), Message.field(12, packed([1, 1]))]),
        ("more counts than buckets", [schema(0), Message.field(11, span(0, 1)), Message.field(12, packed([1, 1]))]),
        ("four billion buckets", [schema(0), Message.field(11, span(0, 4_294_967_295))]),
        ("a span beyond 32 bits", [schema(0), Message.field(11, span(0, 1 << 40)), Message.field(12, packed([1]))]),
        ("a negative bucket", [schema(0), Message.field(11, span(0, 2)), Message.field(12, packed([1, -2]))]),
        ("an overflowing bucket", [schema(0), Message.field(8, span(0, 2)), Message.field(9, packed([.max, .max]))]),
        (
            "a later span that goes back",
            [
                schema(0), Message.field(11, span(0, 1)), Message.field(11, span(-1, 1)),
                Message.field(12, packed([1, 1])),
            ]
        ),
        ("schema 9", [schema(9)]),
        ("schema -5", [schema(-5)]),
        ("schema beyond 32 bits", [schema(1 << 40)]),
        ("custom bounds without the schema", [schema(0), Message.field(16, doubles([1]))]),
        ("custom bounds that fall", [schema(-53), Message.field(16, doubles([2, 1]))]),
        ("custom bounds that are no number", [schema(-53), Message.field(16, doubles([1, .nan]))]),
        (
            "custom buckets past the bounds",
            [
                schema(-53), Message.field(16, doubles([1])), Message.field(11, span(0, 3)),
                Message.field(12, packed([1, 0, 0])),
            ]
        ),
        ("a custom zero bucket", [schema(-53), Message.field(6, varint: 1)]),
        (
            "float buckets of an integer histogram",
            [Message.field(1, varint: 1), Message.field(11, span(0, 1)), Message.field(13, doubles([1]))]
        ),
        ("a float zero count of an integer histogram", [Message.field(1, varint: 1), Message.field(7, 2.0)]),
        (
            "a negative float bucket",
            [Message.field(2, 1.0), Message.field(11, span(0, 1)), Message.field(13, doubles([-1]))]
        ),
    ]

    @Test(arguments: contradictions)
    func `a histogram that contradicts itself is a refusal, and the rest is stored`(
        what: String, fields: [[UInt8]]
    ) throws {
        let request = try Self.decode(Array(fields.joined()))
        #expect(request.refusals.points == [.invalidHistogram: 1], "\(what)")
        #expect(request.batch.points.count == 1)
    }

    @Test func `a stale histogram is valid and keeps the marker`() throws {
        let batch = try Self.decode(Message.field(3, double: FloatBits.staleMarker)).batch
        #expect(batch.exponentialHistograms.map(\.sumBits) == [FloatBits.staleMarker])
    }

    @Test func `more buckets than a request may carry are too large before they take memory`() {
        let deltas = [UInt8](repeating: 0, count: RemoteWriteDecoder.Most.buckets + 1)
        let error = #expect(throws: WireError.self) { try Self.decode(Message.field(12, deltas)) }
        #expect(error?.code == .tooLarge)
        let empty = [UInt8](repeating: 0, count: 0)
        let many = (0...RemoteWriteDecoder.Most.histograms).flatMap { _ in Message.field(4, empty) }
        let tooMany = #expect(throws: WireError.self) { try Message.decode(Message.series(Self.up, many)) }
        #expect(tooMany?.code == .tooLarge)
    }
}
