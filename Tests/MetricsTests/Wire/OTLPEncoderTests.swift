import Metrics
import TestSupport
import Testing

/// <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto>
@Suite struct OTLPEncoderTests {
    private static let time: Int64 = 1_790_000_000_123_000_000

    private func encode(
        _ batch: Batch, _ runs: [Range<Int>]? = nil
    ) throws -> (message: OTLPMessage, counts: OTLPEncoder.Counts) {
        var encoder = OTLPEncoder()
        var body: [UInt8] = []
        let counts = encoder.append(batch, runs ?? [0..<batch.points.count], into: &body)
        return (try OTLPMessage(body), counts)
    }

    private func series(
        _ labels: KeyValuePairs<String, String>, in batch: inout Batch,
        _ change: (inout SeriesIdentity, inout Batch) -> Void = { _, _ in }
    ) throws -> UInt32 {
        var builder = LabelBuilder()
        for (name, value) in labels { builder.add(name, value) }
        try builder.finish()
        var identity = SeriesIdentity.plain
        change(&identity, &batch)
        return builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
    }

    // MARK: What Prometheus sends

    @Test func `job and instance are the resource, other labels attributes`() throws {
        var batch = Batch()
        let id = try series(["__name__": "up", "job": "node", "instance": "a:9100", "zone": "größe"], in: &batch)
        batch.points.appendFloat64(series: id, time: Self.time, bits: (1.5).bitPattern)
        let (message, counts) = try encode(batch)
        #expect(counts.points == 1 && counts.excluded.isEmpty)
        let point = try #require(message.points.first)
        #expect(point.resource == ["service.name=node", "service.instance.id=a:9100"])
        #expect(point.metric == "up" && point.data == "gauge")
        #expect(point.attributes == ["zone=größe"])
        #expect(point.doubleBits == (1.5).bitPattern && point.time == UInt64(Self.time) && point.start == 0)
    }

    @Test(arguments: [
        ("http_requests_total", "sum"), ("rpc_seconds_count", "sum"), ("rpc_seconds_sum", "sum"),
        ("rpc_seconds_bucket", "sum"), ("temperature", "gauge"), ("_total", "gauge"), ("total", "gauge"),
    ])
    func `names that end as a counter's do are cumulative sums`(_ name: String, _ data: String) throws {
        var batch = Batch()
        let id = try series(["__name__": name], in: &batch)
        batch.points.appendFloat64(series: id, time: Self.time, bits: 0)
        let point = try #require(try encode(batch).message.points.first)
        #expect(point.data == data)
        #expect(point.isMonotonic == (data == "sum") && point.temporality == (data == "sum" ? 2 : 0))
    }

    @Test func `a stale marker is a point without a recorded value, another NaN a value`() throws {
        var batch = Batch()
        let id = try series(["__name__": "up"], in: &batch)
        batch.points.appendFloat64(series: id, time: Self.time, bits: FloatBits.staleMarker)
        batch.points.appendFloat64(series: id, time: Self.time, bits: FloatBits.normalNaN)
        let points = try encode(batch).message.points
        #expect(points.map(\.flags) == [1, 0])
        #expect(points.map(\.doubleBits) == [nil, FloatBits.normalNaN])
    }

    @Test func `what belongs together is in one message, and a series keeps its order`() throws {
        var batch = Batch()
        var ids: [UInt32] = []
        for instance in ["a", "b"] {
            for cpu in ["0", "1"] {
                ids.append(
                    try series(
                        ["__name__": "cpu_total", "job": "node", "instance": instance, "cpu": cpu], in: &batch))
                ids.append(
                    try series(["__name__": "load", "job": "node", "instance": instance, "cpu": cpu], in: &batch))
            }
        }
        for round in 0..<3 {
            for id in ids {
                batch.points.appendFloat64(
                    series: id, time: Self.time + Int64(round), bits: Double(round).bitPattern)
            }
        }
        let (message, counts) = try encode(batch, [0..<5, 7..<24])
        #expect(counts.points == 22 && message.points.count == 22)
        #expect(message.resources == 2 && message.scopes == 2 && message.metrics == 4)
        for (_, points) in Dictionary(grouping: message.points, by: { "\($0.resource)\($0.metric)\($0.attributes)" }) {
            #expect(points.map(\.time) == points.map(\.time).sorted())
        }
    }

    // MARK: What OTLP has

    @Test func `what came in as OTLP has its resource, scope, unit and kind`() throws {
        var batch = Batch()
        let id = try series(["__name__": "queue.size", "job": "kept"], in: &batch) { identity, batch in
            identity.resource = batch.intern(
                resource: Resource(
                    attributes: [
                        Attribute("service.name", .string("shop")), Attribute("n", .int(-5)),
                        Attribute("b", .bool(true)),
                        Attribute("d", .double((0.5).bitPattern)), Attribute("raw", .bytes([0, 255])),
                        Attribute("list", .array([.string("x"), .empty, .map([Attribute("k", .int(.min))])])),
                    ], schemaURL: "urn:r"))
            identity.scope = batch.intern(
                scope: Scope(
                    name: "lib", version: "2", attributes: [Attribute("a", .string("v"))], schemaURL: "urn:s"))
            identity.unit = batch.intern(text: "By")
            identity.temporality = .delta
        }
        batch.points.append(
            series: id, time: Self.time, kind: .int64, bits: UInt64(bitPattern: -7), startTime: Self.time - 5)
        let point = try #require(try encode(batch).message.points.first)
        #expect(
            point.resource == [
                "service.name=shop", "n=-5", "b=true", "d=0.5", "raw=[0, 255]",
                "list=[\"x\", \"nothing\", \"[\\\"k=-9223372036854775808\\\"]\"]", "schema=urn:r",
            ])
        #expect(point.scope == "lib;2;{a=v}schema=urn:s")
        #expect(point.unit == "By" && point.data == "sum" && point.temporality == 1 && !point.isMonotonic)
        #expect(point.attributes == ["job=kept"])
        #expect(point.integer == -7 && point.start == UInt64(Self.time - 5))
    }

    @Test func `integers, booleans and text`() throws {
        var batch = Batch()
        let id = try series(["__name__": "v"], in: &batch)
        batch.points.append(series: id, time: Self.time, kind: .uint64, bits: UInt64(Int64.max))
        batch.points.append(series: id, time: Self.time, kind: .uint64, bits: .max)
        batch.points.append(series: id, time: Self.time, kind: .bool, bits: 1)
        batch.append(series: id, time: Self.time, string: Array("text".utf8))
        batch.points.append(series: id, time: Self.time, kind: .int64, bits: 3, flags: .noRecordedValue)
        let (message, counts) = try encode(batch)
        #expect(message.points.map(\.integer) == [.max, nil, 1, nil])
        #expect(message.points[1].doubleBits == Double(UInt64.max).bitPattern && counts.rounded == 1)
        #expect(message.points[3].flags == 1)
        #expect(counts.excluded.map(\.ordinal) == [3] && counts.excluded.map(\.reason) == [.stringValue])
        #expect(counts.points == 4)
    }

    @Test func `a field of line protocol is part of the name`() throws {
        var batch = Batch()
        for field in ["usage_idle", "value"] {
            let id = try series(["__name__": "cpu"], in: &batch) { $0.field = $1.intern(text: field) }
            batch.points.append(series: id, time: Self.time, kind: .float64, bits: 0)
        }
        #expect(try encode(batch).message.points.map(\.metric) == ["cpu_usage_idle", "cpu"])
    }

    // MARK: Distributions

    @Test func `an explicit histogram keeps its buckets, and a last bound of infinity is left out`() throws {
        var batch = Batch()
        let id = try series(["__name__": "h"], in: &batch)
        let bounds = [0.1, 1, .infinity].map(\.bitPattern)
        batch.append(
            series: id, time: Self.time,
            explicit: ExplicitHistogram(
                count: 10, sumBits: (12.5).bitPattern, bounds: bounds, bucketCounts: [1, 2, 3, 4],
                minimumBits: 0, maximumBits: nil))
        batch.append(
            series: id, time: Self.time,
            explicit: ExplicitHistogram(count: 3, sumBits: nil, bounds: [], bucketCounts: []))
        let points = try encode(batch).message.points
        #expect(points.map(\.data) == ["histogram", "histogram"] && points.map(\.temporality) == [2, 2])
        #expect(points[0].bounds == [0.1, 1] && points[0].buckets == [1, 2, 7])
        #expect(points[0].sumBits == (12.5).bitPattern && points[1].sumBits == nil && points[1].count == 3)
    }

    @Test func `a native histogram is exponential: bucket numbers are one less, gaps are zeros`() throws {
        var batch = Batch()
        let id = try series(["__name__": "h"], in: &batch)
        batch.append(
            series: id, time: Self.time,
            exponential: ExponentialHistogram(
                count: .integer(14), sumBits: (18.4).bitPattern, schema: 1, zeroThresholdBits: (0.001).bitPattern,
                zeroCount: .integer(2),
                negative: HistogramBuckets(spans: [BucketSpan(offset: -2, length: 2)], deltas: [1, 1]),
                positive: HistogramBuckets(
                    spans: [BucketSpan(offset: 0, length: 2), BucketSpan(offset: 3, length: 1)], deltas: [3, -1, 2])))
        let point = try #require(try encode(batch).message.points.first)
        #expect(point.data == "exponential" && point.scale == 1 && point.count == 14 && point.zeroCount == 2)
        #expect(point.positive == OTLPMessage.Side(offset: -1, counts: [3, 2, 0, 0, 0, 4]))
        #expect(point.negative == OTLPMessage.Side(offset: -3, counts: [1, 2]))
    }

    @Test func `buckets that lie far apart are joined until they fit, and none of what they count is lost`() throws {
        var batch = Batch()
        let id = try series(["__name__": "h"], in: &batch)
        func add(_ offset: Int32, _ gap: Int32, schema: Int32) {
            batch.append(
                series: id, time: Self.time,
                exponential: ExponentialHistogram(
                    count: .integer(5), sumBits: 0, schema: schema,
                    positive: HistogramBuckets(
                        spans: [BucketSpan(offset: offset, length: 1), BucketSpan(offset: gap, length: 1)],
                        deltas: [2, 1])))
        }
        add(-4000, 8000, schema: 8)
        add(1, 1 << 30, schema: 8)
        add(1, 1 << 30, schema: -4)
        let (message, counts) = try encode(batch)
        #expect(counts.excluded.map(\.ordinal) == [1, 2])
        #expect(counts.excluded.allSatisfy { $0.reason == .histogramRange })
        let point = try #require(message.points.first)
        // From -4001 to 4000 in steps of eight.
        #expect(point.scale == 5 && point.positive.offset == -501)
        #expect(point.positive.counts.count == 1002 && point.positive.counts.reduce(0, +) == 5)
        #expect(point.positive.counts.first == 2 && point.positive.counts.last == 3)
    }

    @Test func `custom bounds make an explicit histogram; float counts and gauges are excluded`() throws {
        var batch = Batch()
        let id = try series(["__name__": "h"], in: &batch)
        func add(_ count: HistogramCount, hint: UInt8 = 0, sum: UInt64 = 0) {
            var buckets = HistogramBuckets(spans: [BucketSpan(offset: 1, length: 2)])
            if case .integer = count { buckets.deltas = [1, 1] } else { buckets.counts = [0, 0] }
            batch.append(
                series: id, time: Self.time,
                exponential: ExponentialHistogram(
                    count: count, sumBits: sum, schema: -53, zeroCount: count == .integer(3) ? .integer(0) : .float(0),
                    positive: buckets, customBounds: [(1.0).bitPattern, (2.0).bitPattern], resetHint: hint))
        }
        add(.integer(3))
        add(.float(0))
        add(.integer(3), hint: 3)
        add(.integer(0), sum: FloatBits.staleMarker)
        let (message, counts) = try encode(batch)
        #expect(counts.excluded.map(\.reason) == [.floatHistogram, .gaugeHistogram])
        let point = try #require(message.points.first { $0.data == "histogram" })
        #expect(point.bounds == [1, 2] && point.buckets == [0, 1, 2] && point.count == 3)
        #expect(message.points.first { $0.data == "exponential" }?.flags == 1)
    }

    @Test func `a summary keeps its quantiles`() throws {
        var batch = Batch()
        let id = try series(["__name__": "s"], in: &batch)
        let quantile = Summary.Quantile(quantileBits: (0.99).bitPattern, valueBits: (7.0).bitPattern)
        batch.append(
            series: id, time: Self.time, summary: Summary(count: 4, sumBits: (9.0).bitPattern, quantiles: [quantile]))
        let point = try #require(try encode(batch).message.points.first)
        #expect(point.data == "summary" && point.count == 4 && point.quantiles == [0.99, 7])
    }

    @Test func `exemplars go with their points, traces as bytes`() throws {
        var batch = Batch()
        let id = try series(["__name__": "c_total"], in: &batch)
        for _ in 0..<2 { batch.points.appendFloat64(series: id, time: Self.time, bits: 0) }
        var builder = LabelBuilder()
        builder.add("trace_id", "0af7651916cd43dd8448eb211c80319c")
        builder.add("span_id", "B7AD6B7169203331")
        builder.add("path", "/x")
        try builder.finish(requiresName: false)
        batch.exemplars.append(
            Exemplar(series: id, ordinal: 1, labels: builder.canonical, valueBits: (2.5).bitPattern, time: 17))
        let points = try encode(batch).message.points
        #expect(points[0].exemplars.isEmpty)
        #expect(
            points[1].exemplars == [
                " path=/x span=b7ad6b7169203331 trace=0af7651916cd43dd8448eb211c80319c time=17 value=2.5"
            ])
    }

    // MARK: Properties

    @Test func `every point of any batch is in the body or excluded`() throws {
        var random = SeededGenerator.fresh()
        var encoder = OTLPEncoder()
        for count in [1, 5, 40, 400] {
            let batch = RandomBatch.make(points: count, series: 23, using: &random)
            let cuts = [0, count / 3, count / 2, count]
            var body: [UInt8] = []
            var points = 0
            for (from, to) in zip(cuts, cuts.dropFirst()) {
                let counts = encoder.append(batch, [from..<to], into: &body)
                #expect(counts.points + counts.excluded.count == to - from, "seed \(random.seed)")
                points += counts.points
            }
            let message = try OTLPMessage(body)
            #expect(message.points.count == points, "seed \(random.seed)")
            for point in message.points where point.data == "histogram" && point.flags == 0 {
                #expect(point.buckets.isEmpty || point.buckets.count == point.bounds.count + 1)
            }
        }
    }

    @Test func `an answer is read from protobuf and JSON, and what is neither is an error`() throws {
        #expect(try OTLPResponse(protobuf: []) == OTLPResponse())
        let partial: [UInt8] = [0x0A, 7, 0x08, 0xAC, 0x02, 0x12, 2, 0x6E, 0x6F]
        #expect(try OTLPResponse(protobuf: partial) == OTLPResponse(rejectedPoints: 300, message: "no"))
        let json = Array(#"{"partialSuccess":{"rejectedDataPoints":"300","errorMessage":"no"}}"#.utf8)
        #expect(try OTLPResponse(json: json) == OTLPResponse(rejectedPoints: 300, message: "no"))
        #expect(try OTLPResponse(json: Array("{}".utf8)) == OTLPResponse())
        #expect(throws: WireError.self) { try OTLPResponse(protobuf: Array(partial.dropLast())) }
        #expect(throws: WireError.self) { try OTLPResponse(json: Array("<html>".utf8)) }
    }
}
