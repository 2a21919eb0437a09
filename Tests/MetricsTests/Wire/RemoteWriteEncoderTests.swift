import TestSupport
import Testing

@testable import Metrics

@Suite struct RemoteWriteEncoderTests {
    private static func encode(_ batch: Batch, _ ordinals: Range<Int>? = nil) -> ([UInt8], RemoteWriteCounts) {
        var encoder = RemoteWriteEncoder()
        var body: [UInt8] = []
        let counts = encoder.append(batch, ordinals ?? 0..<batch.points.count, into: &body)
        return (body, counts)
    }

    private static func series(
        _ batch: inout Batch, _ name: String, _ labels: [(String, String)] = [], _ identity: SeriesIdentity = .plain
    ) throws -> UInt32 {
        var builder = LabelBuilder()
        builder.add("__name__", name)
        for label in labels { builder.add(label.0, label.1) }
        try builder.finish()
        return builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
    }

    /// `name{label="value"} value @milliseconds`, in order, read back by our decoder.
    private static func samples(_ body: [UInt8]) throws -> [String] {
        let request = try RemoteWriteMessage.decode(body)
        #expect(request.refusals.isEmpty)
        return ReadablePoint.all(of: request.batch).map { point in
            let labels = point.labels.filter { $0.key != "__name__" }.sorted { $0.key < $1.key }
            let text = labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
            let value = DecimalText.positional(Double(bitPattern: point.bits))
            return "\(point.labels["__name__"] ?? "?"){\(text)} \(value) @\(point.milliseconds)"
        }
    }

    @Test(arguments: 0..<40)
    func `plain batches come back identical, whole or in slices`(round: Int) throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(
            points: round * 7, series: 1 + round % 13, plainOnly: true, using: &random)
        let (body, counts) = Self.encode(batch)
        let decoded = try RemoteWriteMessage.decode(body)
        #expect(decoded.refusals.isEmpty)
        #expect(counts.points == batch.points.count && counts.samples == counts.points)
        #expect(ReadablePoint.all(of: decoded.batch) == ReadablePoint.all(of: batch), "seed \(random.seed)")

        var encoder = RemoteWriteEncoder()
        var sliced: [UInt8] = []
        var start = 0
        while start < batch.points.count {
            let end = min(batch.points.count, start + 1 + Int(random.next() % 9))
            encoder.append(batch, start..<end, into: &sliced)
            start = end
        }
        let again = try RemoteWriteMessage.decode(sliced)
        #expect(ReadablePoint.all(of: again.batch) == ReadablePoint.all(of: batch), "seed \(random.seed)")
    }

    @Test(arguments: 0..<40)
    func `series by series, every point comes back, each series in its order, its labels once`(round: Int) throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(
            points: round * 7, series: 1 + round % 13, plainOnly: true, using: &random)
        #expect(RemoteWriteEncoder.keepsSeriesApart(batch))
        // Every second stretch of ordinals, of the upper half of the series.
        let series = batch.series.count / 2..<batch.series.count
        var runs: [Range<Int>] = []
        for ordinal in 0..<batch.points.count
        where ordinal / 5 % 2 == 0 && series.contains(Int(batch.points.series[ordinal])) {
            runs.append(ordinal..<ordinal + 1)
        }
        var encoder = RemoteWriteEncoder()
        for attempt in 0..<2 {
            var body: [UInt8] = []
            let points = encoder.append(batch, runs, of: series, into: &body)
            #expect(points == runs.count)
            let decoded = try RemoteWriteMessage.decode(body)
            #expect(decoded.refusals.isEmpty)
            let all = ReadablePoint.all(of: batch)
            let sent = Dictionary(grouping: runs.map { all[$0.lowerBound] }, by: \.labels)
            let received = ReadablePoint.all(of: decoded.batch)
            #expect(Dictionary(grouping: received, by: \.labels) == sent, "seed \(random.seed), attempt \(attempt)")
            // Next to each other: a new message begins when the labels change.
            let starts = received.indices.filter { $0 == 0 || received[$0].labels != received[$0 - 1].labels }
            #expect(starts.count == sent.count, "seed \(random.seed)")
        }
    }

    @Test func `series of which two may become one at the receiver are not kept apart`() throws {
        var plain = Batch()
        let id = try Self.series(&plain, "m")
        plain.points.appendFloat64(series: id, time: 1, bits: 1)
        #expect(RemoteWriteEncoder.keepsSeriesApart(plain))
        var renamed = plain
        _ = try Self.series(&renamed, "m-x")
        #expect(!RemoteWriteEncoder.keepsSeriesApart(renamed))
        var unit = plain
        var identity = SeriesIdentity.plain
        identity.unit = unit.intern(text: "seconds")
        _ = try Self.series(&unit, "m", [], identity)
        #expect(!RemoteWriteEncoder.keepsSeriesApart(unit))
        var text = plain
        text.append(series: id, time: 2, string: Array("x".utf8))
        #expect(!RemoteWriteEncoder.keepsSeriesApart(text))
        var flagged = plain
        flagged.points.append(series: id, time: 2, kind: .float64, bits: 1, flags: .noRecordedValue)
        #expect(!RemoteWriteEncoder.keepsSeriesApart(flagged))
        var exemplary = plain
        exemplary.exemplars.append(Exemplar(series: id, ordinal: 0, labels: [], valueBits: 1, time: nil))
        #expect(!RemoteWriteEncoder.keepsSeriesApart(exemplary))
    }

    @Test(arguments: 0..<40)
    func `batches of every kind give a valid body, and every point is counted once`(round: Int) throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 200, series: 1 + round, using: &random)
        let (body, counts) = Self.encode(batch)
        let decoded = try RemoteWriteMessage.decode(body)
        #expect(decoded.refusals.isEmpty, "seed \(random.seed)")
        #expect(decoded.batch.points.count == counts.samples, "seed \(random.seed)")
        #expect(decoded.batch.exemplars.count == counts.exemplars, "seed \(random.seed)")
        #expect(counts.points + counts.excluded.count == batch.points.count, "seed \(random.seed)")
        let strings = (0..<batch.points.count).filter { batch.points.kind(at: $0) == .string }
        #expect(counts.excluded.map(\.ordinal) == strings)
        #expect(counts.excluded.allSatisfy { $0.reason == .stringValue })
        for id in 0..<decoded.batch.series.count {
            decoded.batch.series.withLabels(of: UInt32(id)) { #expect(PrometheusNames.areValid(labels: $0)) }
        }
    }

    @Test func `points of one series next to each other share one message`() throws {
        var batch = Batch()
        let (a, b) = (try Self.series(&batch, "a"), try Self.series(&batch, "b"))
        for (index, id) in [a, a, b, a].enumerated() {
            batch.points.appendFloat64(series: id, time: Int64(index) * 1_000_000, bits: (1.5).bitPattern)
        }
        let (body, _) = Self.encode(batch)
        let expected =
            RemoteWriteMessage.series(
                [("__name__", "a")],
                RemoteWriteMessage.field(2, RemoteWriteMessage.field(1, 1.5)) + RemoteWriteMessage.sample(1.5, 1))
            + RemoteWriteMessage.series([("__name__", "b")], RemoteWriteMessage.sample(1.5, 2))
            + RemoteWriteMessage.series([("__name__", "a")], RemoteWriteMessage.sample(1.5, 3))
        #expect(body == expected)
    }

    @Test func `times are rounded down to milliseconds, also before 1970`() throws {
        var batch = Batch()
        let id = try Self.series(&batch, "a")
        for time in [1_999_999, 1_000_000, -1, -1_000_000, -1_000_001, Int64.min, Int64.max] {
            batch.points.appendFloat64(series: id, time: time, bits: 0)
        }
        let decoded = try RemoteWriteMessage.decode(Self.encode(batch, 0..<5).0)
        #expect(decoded.batch.points.times == [1_000_000, 1_000_000, -1_000_000, -1_000_000, -2_000_000])
        #expect(PrometheusTime.milliseconds(.min) == -9_223_372_036_855)
        #expect(PrometheusTime.milliseconds(.max) == 9_223_372_036_854)
    }

    @Test func `integers and booleans become float64, and lost precision is counted`() throws {
        var batch = Batch()
        let id = try Self.series(&batch, "a")
        let integers: [Int64] = [-5, 1 << 53, 1 << 53 + 1, .max]
        for value in integers {
            batch.points.append(series: id, time: 0, kind: .int64, bits: UInt64(bitPattern: value))
        }
        for value in [UInt64(7), .max] { batch.points.append(series: id, time: 0, kind: .uint64, bits: value) }
        batch.points.append(series: id, time: 0, kind: .bool, bits: 1)
        let (body, counts) = Self.encode(batch)
        #expect(counts.rounded == 3)
        let decoded = try RemoteWriteMessage.decode(body)
        #expect(
            decoded.batch.points.bits.map { Double(bitPattern: $0) } == [
                -5, 9_007_199_254_740_992, 9_007_199_254_740_992, 9_223_372_036_854_775_808, 7,
                18_446_744_073_709_551_616, 1,
            ])
    }

    @Test func `a field of line protocol is part of the name, unless it is called value`() throws {
        var batch = Batch()
        var identity = SeriesIdentity.plain
        identity.field = batch.intern(text: "usage_idle")
        let idle = try Self.series(&batch, "cpu", [("host", "a")], identity)
        identity.field = batch.intern(text: "value")
        let value = try Self.series(&batch, "cpu", [("host", "a")], identity)
        batch.points.appendFloat64(series: idle, time: 0, bits: (1.0).bitPattern)
        batch.points.appendFloat64(series: value, time: 0, bits: (2.0).bitPattern)
        #expect(try Self.samples(Self.encode(batch).0) == ["cpu_usage_idle{host=a} 1 @0", "cpu{host=a} 2 @0"])
    }

    @Test func `names outside of the alphabet are changed, counted, and never become another label`() throws {
        var batch = Batch()
        let id = try Self.series(
            &batch, "1disk.free:ratio",
            [("data-center", "x"), ("data_center", "y"), ("data.center", "z"), ("größe", "")])
        batch.points.appendFloat64(series: id, time: 0, bits: 0)
        let hostile = try Self.series(
            &batch, "up", [("a.b", "1"), ("a_b", "2"), ("U__a_2e_b", "3"), ("le:", "4"), ("größe", "5")])
        batch.points.appendFloat64(series: hostile, time: 0, bits: 0)
        let (body, counts) = Self.encode(batch)
        #expect(counts.renamed == 2)
        let points = ReadablePoint.all(of: try RemoteWriteMessage.decode(body).batch)
        #expect(
            points[0].labels == [
                "__name__": "_1disk_free:ratio", "data_center": "y", "U__data_2d_center": "x",
                "U__data_2e_center": "z",
            ])
        #expect(
            points[1].labels == [
                "__name__": "up", "a_b": "2", "U__a_2e_b": "3", "U__a_2e_b_": "1", "le_": "4", "gr____e": "5",
            ])
    }

    @Test func `a classic histogram becomes buckets, a sum and a count`() throws {
        var batch = Batch()
        let id = try Self.series(&batch, "latency", [("le", "mine")])
        let histogram = ExplicitHistogram(
            count: 10, sumBits: (12.5).bitPattern, bounds: [(0.005).bitPattern, (1.0).bitPattern, (1e7).bitPattern],
            bucketCounts: [1, 2, 3, 4])
        batch.append(series: id, time: 5_000_000, explicit: histogram)
        batch.append(
            series: id, time: 6_000_000,
            explicit: ExplicitHistogram(count: 2, sumBits: nil, bounds: [], bucketCounts: []))
        let (body, counts) = Self.encode(batch)
        #expect(counts.points == 2 && counts.samples == 8)
        #expect(
            try Self.samples(body) == [
                "latency_bucket{exported_le=mine,le=0.005} 1 @5",
                "latency_bucket{exported_le=mine,le=1} 3 @5",
                "latency_bucket{exported_le=mine,le=10000000} 6 @5",
                "latency_bucket{exported_le=mine,le=+Inf} 10 @5",
                "latency_sum{le=mine} 12.5 @5",
                "latency_count{le=mine} 10 @5",
                "latency_bucket{exported_le=mine,le=+Inf} 2 @6",
                "latency_count{le=mine} 2 @6",
            ])
    }

    @Test func `a summary becomes quantiles, a sum and a count`() throws {
        var batch = Batch()
        let id = try Self.series(&batch, "latency")
        let quantiles = [0.5, 0.99].map {
            Summary.Quantile(quantileBits: $0.bitPattern, valueBits: ($0 * 100).bitPattern)
        }
        batch.append(
            series: id, time: 0, summary: Summary(count: 3, sumBits: (4.5).bitPattern, quantiles: quantiles))
        #expect(
            try Self.samples(Self.encode(batch).0) == [
                "latency{quantile=0.5} 50 @0", "latency{quantile=0.99} 99 @0", "latency_sum{} 4.5 @0",
                "latency_count{} 3 @0",
            ])
    }

    @Test func `a resource and a scope become labels, so that their series stay apart`() throws {
        var batch = Batch()
        var identity = SeriesIdentity.plain
        for host in ["a", "b"] {
            identity.resource = batch.intern(
                resource: Resource(attributes: [
                    Attribute("service.name", .string("shop")), Attribute("service.namespace", .string("eu")),
                    Attribute("service.instance.id", .string("1")), Attribute("host.name", .string(host)),
                ]))
            identity.scope = batch.intern(scope: Scope(name: "lib", version: "2"))
            let id = try Self.series(&batch, "up", [], identity)
            batch.points.appendFloat64(series: id, time: 0, bits: 0)
        }
        let labels = ReadablePoint.all(of: try RemoteWriteMessage.decode(Self.encode(batch).0).batch).map(\.labels)
        #expect(labels.map { $0["host_name"] } == ["a", "b"])
        #expect(labels.map { $0["job"] } == ["eu/shop", "eu/shop"])
        #expect(labels[0]["instance"] == "1" && labels[0]["otel_scope_name"] == "lib")
    }

    @Test func `a missing value is a stale marker, for samples and for histograms`() throws {
        var batch = Batch()
        let id = try Self.series(&batch, "a")
        batch.points.append(
            series: id, time: 0, kind: .float64, bits: (1.0).bitPattern, flags: .noRecordedValue)
        batch.append(
            series: id, time: 0, exponential: ExponentialHistogram(count: .integer(3), sumBits: 0, schema: 0),
            flags: .noRecordedValue)
        let decoded = try RemoteWriteMessage.decode(Self.encode(batch).0).batch
        #expect(decoded.points.bits[0] == FloatBits.staleMarker)
        #expect(decoded.exponentialHistograms == [.stale])
    }

    @Test func `a histogram finer than Prometheus has is excluded by name`() throws {
        var batch = Batch()
        let id = try Self.series(&batch, "a")
        for schema: Int32 in [8, 9, -5, 20] {
            batch.append(
                series: id, time: 0, exponential: ExponentialHistogram(count: .integer(0), sumBits: 0, schema: schema))
        }
        let (body, counts) = Self.encode(batch)
        #expect(counts.excluded.map(\.ordinal) == [1, 2, 3])
        #expect(counts.excluded.allSatisfy { $0.reason == .histogramSchema })
        #expect(try RemoteWriteMessage.decode(body).batch.points.count == 1)
    }

    @Test func `exemplars go out with their points and keep their time`() throws {
        var batch = Batch()
        let (a, b) = (try Self.series(&batch, "a"), try Self.series(&batch, "b"))
        for id in [a, a, b] { batch.points.appendFloat64(series: id, time: 3_000_000, bits: 0) }
        let labels = RemoteWriteMessage.label("trace_id", "x")
        for (series, ordinal, time) in [(b, 2, 5_000_000), (a, 1, nil)] as [(UInt32, UInt32, Int64?)] {
            batch.exemplars.append(
                Exemplar(series: series, ordinal: ordinal, labels: labels, valueBits: (0.5).bitPattern, time: time))
        }
        batch.exemplars.append(Exemplar(series: a, ordinal: nil, labels: [], valueBits: 0, time: 9_000_000))
        let (body, counts) = Self.encode(batch)
        #expect(counts.exemplars == 3)
        let decoded = try RemoteWriteMessage.decode(body).batch
        #expect(decoded.exemplars.map(\.ordinal) == [1, 2, nil])
        #expect(decoded.exemplars.map(\.time) == [3_000_000, 5_000_000, 9_000_000])
        #expect(decoded.exemplars.map(\.labels) == [labels, labels, []])
        #expect(Self.encode(batch, 0..<2).1.exemplars == 1)
    }

    @Test func `metadata comes back as it was`() throws {
        let metadata = MetricKind.allCases.map {
            MetricMetadata(family: "family_\($0.rawValue)", kind: $0, help: "größe \n", unit: $0 == .gauge ? "" : "s")
        }
        var body: [UInt8] = []
        RemoteWriteEncoder.append(metadata, into: &body)
        #expect(try RemoteWriteMessage.decode(body).batch.metadata == metadata)
    }

    @Test(
        arguments: [
            (0, "0"), (-0.0, "-0"), (1, "1"), (0.1, "0.1"), (1e-7, "0.0000001"), (1.5e-7, "0.00000015"),
            (123_456.789, "123456.789"), (1e16, "10000000000000000"), (1.25e17, "125000000000000000"),
            (1.2345e3, "1234.5"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"), (-2.5, "-2.5"),
        ] as [(Double, String)])
    func `decimal text has no exponent and the shortest digits`(value: Double, text: String) {
        #expect(DecimalText.positional(value) == text)
    }

    @Test func `decimal text reads back as the same number`() {
        var random = SeededGenerator.fresh()
        for _ in 0..<5000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            #expect(Double(DecimalText.positional(value))?.bitPattern == value.bitPattern, "seed \(random.seed)")
        }
    }
}
