import Metrics
import TestSupport
import Testing

/// Bodies of remote write 2.0, read by a reader that takes only what the specification allows.
/// <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>
struct RemoteWriteSecondTests {
    private func encode(
        _ batch: Batch, _ ordinals: Range<Int>? = nil
    ) throws -> (message: RemoteWriteMessage2, counts: RemoteWriteCounts, repeatsSeries: Bool) {
        var encoder = RemoteWriteEncoder(.second)
        var (messages, body): ([UInt8], [UInt8]) = ([], [])
        encoder.begin()
        let counts = encoder.append(batch, ordinals ?? 0..<batch.points.count, into: &messages)
        encoder.appendSymbols(to: &body)
        return (try RemoteWriteMessage2(body + messages), counts, encoder.repeatsSeries)
    }

    private func series(_ name: String, _ labels: [(String, String)] = [], in batch: inout Batch) throws -> UInt32 {
        var builder = LabelBuilder()
        builder.add("__name__", name)
        for (name, value) in labels { builder.add(name, value) }
        try builder.finish()
        return builder.canonical.withUnsafeBytes { batch.series.intern($0) }
    }

    @Test func `a text is said once, however many labels name it`() throws {
        var batch = Batch()
        for number in 0..<300 {
            let id = try series("up", [("a", "same"), ("b", "\(number % 3)"), ("c", "same")], in: &batch)
            batch.points.appendFloat64(series: id, time: 1_790_000_000_000_000_000 + Int64(number), bits: 1)
        }
        let (message, counts, _) = try encode(batch)
        #expect(message.symbols == ["", "__name__", "up", "a", "same", "b", "0", "c", "1", "2"])
        #expect(counts.points == 300 && counts.samples == 300 && counts.histograms == 0)
        #expect(message.series[1].labels == ["__name__=up", "a=same", "b=1", "c=same"])
    }

    @Test func `many texts each keep their number`() throws {
        var batch = Batch()
        for number in 0..<5000 {
            let id = try series("metric_\(number)", [("instance", "host-\(number)")], in: &batch)
            batch.points.appendFloat64(series: id, time: 1_790_000_000_000_000_000, bits: UInt64(number))
        }
        let (message, _, repeats) = try encode(batch)
        #expect(message.series.map(\.name) == (0..<5000).map { "metric_\($0)" })
        #expect(message.series.map { $0.samples[0].bits } == (0..<5000).map { UInt64($0) })
        #expect(!repeats)
    }

    @Test func `values, times and starts are those of the points, and a start behind its point is left out`() throws {
        var batch = Batch()
        let id = try series("requests_total", in: &batch)
        let time: Int64 = 1_790_000_000_123_000_000
        for (index, (bits, start)) in [
            (FloatBits.staleMarker, 0), (0, time - 5_000_000_000), (1, 999), (2, time + 60_000_000_000),
            (3, -1_000_000),
        ].enumerated() {
            batch.points.append(
                series: id, time: time + Int64(index) * 1_000_000, kind: .float64, bits: bits, startTime: start)
        }
        let sent = try encode(batch)
        let samples = try #require(sent.message.series.first).samples
        #expect(samples.map(\.bits) == [FloatBits.staleMarker, 0, 1, 2, 3])
        #expect(samples.map(\.time) == (0..<5).map { 1_790_000_000_123 + $0 })
        // 1 stands for the first millisecond of 1970, as 0 means nothing.
        #expect(samples.map(\.start) == [0, 1_789_999_995_123, 1, 0, -1])
        #expect(sent.repeatsSeries)
    }

    @Test func `each series has the kind, help and unit of its family`() throws {
        var batch = Batch()
        batch.metadata = [
            MetricMetadata(family: "size_bytes", kind: .histogram, help: "How large.", unit: "bytes"),
            MetricMetadata(family: "requests", kind: .counter, help: "How many."),
        ]
        for name in ["size_bytes_bucket", "size_bytes_sum", "requests_total", "unknown_sum"] {
            let id = try series(name, in: &batch)
            batch.points.appendFloat64(series: id, time: 1_790_000_000_000_000_000, bits: 1)
        }
        var identity = SeriesIdentity()
        identity.kind = .gauge
        identity.unit = batch.intern(text: "seconds")
        var builder = LabelBuilder()
        builder.add("__name__", "lag")
        try builder.finish()
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
        batch.points.appendFloat64(series: id, time: 1_790_000_000_000_000_000, bits: 1)
        let sent = try encode(batch).message.series.map { "\($0.name) \($0.type) \($0.help) \($0.unit)" }
        #expect(
            sent == [
                "size_bytes_bucket 3 How large. bytes", "size_bytes_sum 3 How large. bytes",
                "requests_total 1 How many. ", "unknown_sum 0  ", "lag 2  seconds",
            ])
    }

    @Test func `native histograms go as they are, and classic ones as their series`() throws {
        var batch = Batch()
        let id = try series("size", in: &batch)
        let time: Int64 = 1_790_000_000_000_000_000
        batch.append(
            series: id, time: time,
            exponential: ExponentialHistogram(
                count: .integer(7), sumBits: 0, schema: 3,
                positive: HistogramBuckets(spans: [BucketSpan(offset: 0, length: 1)], deltas: [7])),
            startTime: time - 1_000_000_000)
        batch.append(
            series: id, time: time + 1_000_000,
            explicit: ExplicitHistogram(count: 3, sumBits: 0, bounds: [(1.0).bitPattern], bucketCounts: [1, 2]),
            startTime: time - 1_000_000_000)
        let (message, counts, repeats) = try encode(batch)
        let native = try #require(message.series.first?.histograms.first)
        #expect(native.schema == 3 && native.count == 7 && native.time == 1_790_000_000_000)
        #expect(native.start == 1_789_999_999_000)
        #expect(message.series.dropFirst().map(\.name) == ["size_bucket", "size_bucket", "size_sum", "size_count"])
        #expect(message.series.dropFirst().allSatisfy { $0.samples.map(\.start) == [1_789_999_999_000] })
        #expect(counts.points == 2 && counts.samples == 5 && counts.histograms == 1)
        #expect(!repeats)
    }

    @Test func `an exemplar goes with its point, one without a point with the last of its series, and each has a time`()
        throws
    {
        var batch = Batch()
        let (one, other) = (try series("one", in: &batch), try series("other", in: &batch))
        let time: Int64 = 1_790_000_000_000_000_000
        for (index, id) in [one, one, other].enumerated() {
            batch.points.appendFloat64(series: id, time: time + Int64(index) * 1_000_000, bits: 1)
        }
        let absent = try series("absent", in: &batch)
        var builder = LabelBuilder()
        builder.add("trace_id", "abc")
        try builder.finish(requiresName: false)
        for (id, ordinal) in [(one, 0), (one, nil), (other, nil), (absent, nil)] as [(UInt32, UInt32?)] {
            batch.exemplars.append(
                Exemplar(series: id, ordinal: ordinal, labels: builder.canonical, valueBits: 0, time: nil))
        }
        let all = try encode(batch)
        #expect(all.message.series.map(\.name) == ["one", "other"])
        #expect(
            all.message.series.map(\.exemplars) == [
                ["trace_id=abc 0.0 @1790000000000", "trace_id=abc 0.0 @1790000000001"],
                ["trace_id=abc 0.0 @1790000000002"],
            ])
        #expect(all.counts.exemplars == 3)
        #expect(try encode(batch, 0..<1).message.series.flatMap(\.exemplars).count == 1)
    }

    @Test func `a random batch is a legal request with every point, under the labels that 1_0 has`() throws {
        for _ in 0..<30 {
            var random = SeededGenerator.fresh()
            let batch = RandomBatch.make(points: 200, series: 20, using: &random)
            let (message, counts, _) = try encode(batch)
            #expect(counts.points + counts.excluded.count == 200, "seed \(random.seed)")
            #expect(message.series.reduce(0) { $0 + $1.histograms.count } == counts.histograms)
            let samples = message.series.flatMap { series in
                series.samples.map { "\(series.key) \($0.time) \($0.bits)" }
            }
            #expect(samples.count == counts.samples - counts.histograms, "seed \(random.seed)")
            #expect(samples == (try first(batch)), "seed \(random.seed)")
        }
    }

    /// The samples of the same batch in 1.0.
    private func first(_ batch: Batch) throws -> [String] {
        var encoder = RemoteWriteEncoder()
        var body: [UInt8] = []
        encoder.append(batch, 0..<batch.points.count, into: &body)
        let decoded = try RemoteWriteMessage.decode(body).batch
        return (0..<decoded.points.count).compactMap { ordinal in
            guard decoded.points.kind(at: ordinal) == .float64 else { return nil }
            let labels = decoded.series.withLabels(of: decoded.points.series[ordinal]) { bytes in
                LabelIterator(bytes).map { "\($0.nameString)=\($0.valueString)" }
            }
            let time = decoded.points.times[ordinal] / 1_000_000
            return "\(labels.joined(separator: ",")) \(time) \(decoded.points.bits[ordinal])"
        }
    }

    @Test func `a body made series by series says a label set once`() throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 300, series: 10, plainOnly: true, using: &random)
        guard RemoteWriteEncoder.keepsSeriesApart(batch) else {
            Issue.record("these series are apart")
            return
        }
        var encoder = RemoteWriteEncoder(.second)
        var (messages, body): ([UInt8], [UInt8]) = ([], [])
        for _ in 0..<2 {
            // The second time nothing of the first is left.
            (messages, body) = ([], [])
            encoder.begin()
            let points = encoder.append(batch, [0..<300], of: 0..<batch.series.count, into: &messages)
            #expect(points == 300)
        }
        encoder.appendSymbols(to: &body)
        let message = try RemoteWriteMessage2(body + messages)
        #expect(Set(message.series.map(\.key)).count == message.series.count)
        #expect(message.series.reduce(0) { $0 + $1.samples.count } == 300)
        #expect(encoder.repeatsSeries)
    }
}
