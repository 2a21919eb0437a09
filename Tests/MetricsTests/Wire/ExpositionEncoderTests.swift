import Metrics
import TestSupport
import Testing

/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
@Suite struct ExpositionEncoderTests {
    private func lines(_ batch: Batch) -> (text: String, excluded: [ExpositionEncoder.Exclusion]) {
        var encoder = ExpositionEncoder()
        var body: [UInt8] = []
        let excluded = (0..<batch.points.count).compactMap { encoder.append(batch, $0, into: &body) }
        return (String(decoding: body, as: UTF8.self), excluded)
    }

    private func series(_ name: String, _ labels: [(String, String)], in batch: inout Batch) throws -> UInt32 {
        var builder = LabelBuilder()
        builder.add("__name__", name)
        for (label, value) in labels { builder.add(label, value) }
        try builder.finish()
        return builder.canonical.withUnsafeBytes { batch.series.intern($0) }
    }

    @Test func `what is written reads back to the same samples`() throws {
        let body = """
            m 1 5
            m{a="\\\\ \\" \\n é"} -0.25 -7
            m{a="b",c="d"} NaN 6
            n +Inf 0
            n -Inf 1790000000123

            """
        let batch = try WireDecoding.exposition(body.utf8).batch
        #expect(lines(batch).text == body)
        #expect(lines(batch).excluded.isEmpty)
    }

    @Test func `integers and bools are numbers, and times go down to whole milliseconds`() throws {
        var batch = Batch()
        let id = try series("m", [], in: &batch)
        batch.points.append(series: id, time: 1_999_999, kind: .int64, bits: UInt64(bitPattern: -3))
        batch.points.append(series: id, time: -1, kind: .uint64, bits: 1 << 60)
        batch.points.append(series: id, time: 0, kind: .bool, bits: 1)
        #expect(lines(batch).text == "m -3 1\nm 1.152921504606847e+18 -1\nm 1 0\n")
    }

    @Test func `a classic histogram and a summary are the series that they are for Prometheus`() throws {
        var batch = Batch()
        let id = try series("h", [("le", "mine")], in: &batch)
        batch.append(
            series: id, time: 0,
            explicit: ExplicitHistogram(
                count: 6, sumBits: (9.5).bitPattern, bounds: [(0.5).bitPattern, (2.0).bitPattern],
                bucketCounts: [1, 2, 3]))
        let other = try series("s", [], in: &batch)
        batch.append(
            series: other, time: 0,
            summary: Summary(
                count: 4, sumBits: (8.0).bitPattern,
                quantiles: [Summary.Quantile(quantileBits: (0.5).bitPattern, valueBits: (2.0).bitPattern)]))
        #expect(
            lines(batch).text == """
                h_bucket{exported_le="mine",le="0.5"} 1 0
                h_bucket{exported_le="mine",le="2"} 3 0
                h_bucket{exported_le="mine",le="+Inf"} 6 0
                h_sum{le="mine"} 9.5 0
                h_count{le="mine"} 6 0
                s{quantile="0.5"} 2 0
                s_sum 8 0
                s_count 4 0

                """)
    }

    @Test func `names are those that remote write sends`() throws {
        var batch = Batch()
        let id = try series("disk.used", [("mount-point", "/")], in: &batch)
        batch.points.appendFloat64(series: id, time: 0, bits: (1.0).bitPattern)
        #expect(lines(batch).text == "disk_used{mount_point=\"/\"} 1 0\n")
    }

    @Test func `what the format has no line for is told`() throws {
        var batch = Batch()
        let id = try series("m", [], in: &batch)
        batch.append(series: id, time: 0, string: Array("x".utf8))
        batch.points.appendFloat64(series: id, time: 0, bits: FloatBits.staleMarker)
        batch.append(
            series: id, time: 0, exponential: ExponentialHistogram(count: .integer(0), sumBits: 0, schema: 0))
        #expect(lines(batch).text.isEmpty)
        #expect(lines(batch).excluded == [.stringValue, .staleMarker, .exponentialHistogram])
    }
}
