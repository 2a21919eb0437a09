import Metrics

/// Batches of every kind of point, for properties that must hold for all of them.
public enum RandomBatch {
    /// - Parameter plainOnly: float64 points without identities: what remote write 1.0 makes of samples.
    public static func make(points: Int, series: Int, plainOnly: Bool = false, using random: inout SeededGenerator)
        -> Batch
    {
        var batch = Batch()
        let ids = (0..<max(1, series)).map { makeSeries($0, in: &batch, plainOnly: plainOnly, using: &random) }
        var time: Int64 = 1_790_000_000_000 + Int64(random.next() % 1000)
        for index in 0..<points {
            if random.next() % 8 == 0 { time += Int64.random(in: -20_000...60_000, using: &random) }
            let id = ids[index % 3 == 0 ? Int(random.next() % UInt64(ids.count)) : index % ids.count]
            let nanoseconds = time * 1_000_000 + (plainOnly || random.next() % 4 != 0 ? 0 : 17)
            if plainOnly {
                batch.points.appendFloat64(series: id, time: nanoseconds, bits: floatBits(using: &random))
            } else {
                appendPoint(id, nanoseconds, to: &batch, using: &random)
            }
        }
        if !plainOnly { addExtras(to: &batch, ids, using: &random) }
        return batch
    }

    private static func makeSeries(
        _ number: Int, in batch: inout Batch, plainOnly: Bool, using random: inout SeededGenerator
    ) -> UInt32 {
        var builder = LabelBuilder()
        builder.add("__name__", "metric_\(number % 7)_total")
        builder.add("instance", "host-\(number / 7):9100")
        builder.add("number", "\(number)")
        if random.next() % 3 == 0 { builder.add("zone", "größe \"\\ \n \(random.next() % 4)") }
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        var identity = SeriesIdentity.plain
        if !plainOnly, random.next() % 3 == 0 {
            identity.field = batch.intern(text: ["", "usage_idle", "größe"][Int(random.next() % 3)])
            identity.unit = batch.intern(text: ["", "seconds"][Int(random.next() % 2)])
            identity.kind = MetricKind.allCases[Int(random.next() % UInt64(MetricKind.allCases.count))]
            identity.temporality = Temporality.allCases[Int(random.next() % UInt64(Temporality.allCases.count))]
            identity.isMonotonic = random.next() % 2 == 0
            if random.next() % 2 == 0 {
                identity.resource = batch.intern(resource: resource(using: &random))
                identity.scope = batch.intern(
                    scope: Scope(
                        name: "scope\(random.next() % 2)", version: "1", attributes: [Attribute("a", .int(-5))]))
            }
        }
        return builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
    }

    private static func resource(using random: inout SeededGenerator) -> Resource {
        Resource(
            attributes: [
                Attribute("service.name", .string("shop \(random.next() % 3)")),
                Attribute("flags", .array([.bool(true), .double(0x7ff8_0000_0000_0001), .bytes([0, 255]), .empty])),
                Attribute("nested", .map([Attribute("depth", .int(.min))])),
            ], schemaURL: "https://opentelemetry.io/schemas/1.24.0")
    }

    /// Counters, gauges, decimals, noise and every special.
    public static func floatBits(using random: inout SeededGenerator) -> UInt64 {
        switch random.next() % 12 {
        case 0: FloatBits.staleMarker
        case 1: FloatBits.positiveInfinity
        case 2: FloatBits.negativeInfinity
        case 3: 0x8000_0000_0000_0000
        case 4: random.next()
        case 5, 6: (Double(random.next() % 100_000_000) / 100).bitPattern
        case 7: Double(random.next() % (1 << 53)).bitPattern
        case 8: 0x7ff8_0000_0000_0000 | random.next() % 1000
        default: Double(random.next() % 1000).bitPattern
        }
    }

    private static func appendPoint(
        _ id: UInt32, _ time: Int64, to batch: inout Batch, using random: inout SeededGenerator
    ) {
        let start = random.next() % 4 == 0 ? time - 1_000_000_000 : 0
        // The first point has no row to share.
        let shares = batch.points.count > 0 && random.next() % 5 == 0
        let flags: PointFlags = shares ? .sharesRow : random.next() % 9 == 0 ? .noRecordedValue : []
        switch random.next() % 12 {
        case 0:
            batch.points.append(
                series: id, time: time, kind: .int64, bits: random.next(), startTime: start, flags: flags)
        case 1:
            batch.points.append(
                series: id, time: time, kind: .uint64, bits: random.next(), startTime: start, flags: flags)
        case 2:
            batch.points.append(
                series: id, time: time, kind: .bool, bits: random.next() % 2, startTime: start, flags: flags)
        case 3:
            batch.append(
                series: id, time: time, string: Array("text \u{1F600} \"\(random.next() % 10)\"".utf8),
                startTime: start,
                flags: flags)
        case 4: batch.append(series: id, time: time, explicit: explicit(using: &random), startTime: start, flags: flags)
        case 5:
            batch.append(
                series: id, time: time, exponential: exponential(using: &random), startTime: start, flags: flags)
        case 6:
            let quantile = Summary.Quantile(
                quantileBits: (0.99).bitPattern, valueBits: floatBits(using: &random))
            let summary = Summary(count: random.next() % 99, sumBits: floatBits(using: &random), quantiles: [quantile])
            batch.append(series: id, time: time, summary: summary, startTime: start, flags: flags)
        default:
            batch.points.append(
                series: id, time: time, kind: .float64, bits: floatBits(using: &random), startTime: start, flags: flags)
        }
    }

    private static func explicit(using random: inout SeededGenerator) -> ExplicitHistogram {
        let bounds = [0.1, 1, 10].map(\.bitPattern)
        return ExplicitHistogram(
            count: 10, sumBits: random.next() % 2 == 0 ? nil : (12.5).bitPattern, bounds: bounds,
            bucketCounts: [1, 2, 3, 4], minimumBits: random.next() % 2 == 0 ? nil : 0, maximumBits: (9.5).bitPattern)
    }

    private static func exponential(using random: inout SeededGenerator) -> ExponentialHistogram {
        if random.next() % 2 == 0 {
            return ExponentialHistogram(
                count: .integer(14), sumBits: (18.4).bitPattern, schema: 1, zeroThresholdBits: (0.001).bitPattern,
                zeroCount: .integer(2),
                negative: HistogramBuckets(spans: [BucketSpan(offset: -2, length: 2)], deltas: [1, 1]),
                positive: HistogramBuckets(
                    spans: [BucketSpan(offset: 0, length: 2), BucketSpan(offset: 3, length: 1)], deltas: [3, -1, 2]),
                resetHint: UInt8(random.next() % 4))
        }
        return ExponentialHistogram(
            count: .float((3.5).bitPattern), sumBits: FloatBits.normalNaN, schema: -53, zeroCount: .float(0),
            positive: HistogramBuckets(
                spans: [BucketSpan(offset: 0, length: 2)], counts: [(1.5).bitPattern, (2.0).bitPattern]),
            customBounds: [(5.0).bitPattern])
    }

    private static func addExtras(to batch: inout Batch, _ ids: [UInt32], using random: inout SeededGenerator) {
        batch.metadata.append(
            MetricMetadata(family: "metric_1_total", kind: .counter, help: "Helps\nmuch", unit: "seconds"))
        var builder = LabelBuilder()
        builder.add("trace_id", "abc\(random.next() % 100)")
        do { try builder.finish(requiresName: false) } catch { preconditionFailure("these labels are valid: \(error)") }
        if batch.points.count > 0 {
            let ordinal = UInt32(random.next() % UInt64(batch.points.count))
            batch.exemplars.append(
                Exemplar(
                    series: batch.points.series[Int(ordinal)], ordinal: ordinal, labels: builder.canonical,
                    valueBits: floatBits(using: &random), time: 1_790_000_000_000_000_123))
        }
        batch.exemplars.append(Exemplar(series: ids[0], ordinal: nil, labels: [], valueBits: 0, time: nil))
    }
}
