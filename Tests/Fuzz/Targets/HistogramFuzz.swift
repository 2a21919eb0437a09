import Metrics
import TestSupport

@testable import Metrics

extension FuzzTarget {
    /// A native histogram of any fields: one that is called whole can be stored, written as a record and sent.
    static let histogram = FuzzTarget("histogram", maximumBytes: 512, seeds: { HistogramParts.seeds }) { bytes in
        var input = FuzzInput(bytes)
        let histogram = HistogramParts.histogram(from: &input)
        if histogram.fault != nil { return }
        var batch = Batch()
        var builder = LabelBuilder()
        builder.add("__name__", "h")
        try builder.finish()
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
        batch.append(series: id, time: 1_790_000_000_000_000_000, exponential: histogram)
        try DecodedChecks.survivesItsBlock(batch)

        var records: [UInt8] = []
        var encoder = JSONRecordEncoder()
        encoder.append(batch, into: &records)
        let read = try WireDecoding.records(records)
        try require(read.refusals.isEmpty, "a record we wrote is read: \(read.refusals)")
        try require(read.batch.exponentialHistograms == [histogram], "a record holds the whole histogram")

        let sent = try HistogramParts.resent(batch)
        try require(sent.exponentialHistograms.count == 1, "a backend gets it")
        var plain = histogram
        (plain.minimumBits, plain.maximumBits) = (nil, nil)
        try require(try HistogramParts.resent(sent) == sent, "remote write gives back what remote write took")
        try require(sent.exponentialHistograms[0].sumBits == plain.sumBits, "its sum arrives")
        try require(sent.exponentialHistograms[0].positive == plain.positive, "its buckets arrive")
        try require(sent.exponentialHistograms[0].negative == plain.negative, "on both sides of zero")
    }
}

private enum HistogramParts {
    static let seeds: [[UInt8]] = [
        // Integer buckets of schema 0, float ones, and custom bounds.
        [0, 4, 2] + Array(repeating: 1, count: 80), [1, 8, 3] + Array(repeating: 2, count: 120),
        [2, 0, 1, 1, 0, 1] + Array(repeating: 0, count: 60),
    ]

    static func resent(_ batch: Batch) throws -> Batch {
        var encoder = RemoteWriteEncoder()
        var body: [UInt8] = []
        encoder.append(batch, 0..<batch.points.count, into: &body)
        var decoder = RemoteWriteDecoder()
        var request = DecodedRequest()
        try body.withUnsafeBytes { try decoder.decode($0, into: &request) }
        try require(request.refusals.isEmpty, "what we send is refused by nobody: \(request.refusals)")
        return request.batch
    }

    static func histogram(from input: inout FuzzInput) -> ExponentialHistogram {
        let shape = input.byte()
        let isInteger = shape & 1 == 0
        let isCustom = shape & 2 != 0
        var histogram = ExponentialHistogram(
            count: isInteger ? .integer(input.word()) : .float(input.word()), sumBits: input.word(),
            schema: isCustom ? -53 : Int32(Int8(bitPattern: input.byte())))
        histogram.zeroThresholdBits = input.word()
        histogram.zeroCount = shape & 4 == 0 ? .integer(UInt64(input.byte())) : .float(input.word())
        histogram.positive = buckets(isInteger, from: &input)
        histogram.negative = buckets(isInteger, from: &input)
        histogram.resetHint = input.byte() & 3
        if isCustom { histogram.customBounds = (0..<Int(input.byte() % 9)).map { _ in input.word() } }
        if shape & 8 != 0 { histogram.minimumBits = input.word() }
        if shape & 16 != 0 { histogram.maximumBits = input.word() }
        return histogram
    }

    private static func buckets(_ isInteger: Bool, from input: inout FuzzInput) -> HistogramBuckets {
        var buckets = HistogramBuckets()
        var count = 0
        for _ in 0..<Int(input.byte() % 4) {
            let wide = input.byte()
            let offset =
                wide == 255 ? Int32(truncatingIfNeeded: Int(truncatingIfNeeded: input.word())) : Int32(wide & 15)
            let length = UInt32(input.byte() % 9)
            buckets.spans.append(BucketSpan(offset: offset, length: length))
            count += Int(length)
        }
        for _ in 0..<count {
            if isInteger {
                let wide = input.byte()
                buckets.deltas.append(
                    wide == 255 ? Int64(truncatingIfNeeded: input.word()) : Int64(Int8(bitPattern: wide)))
            } else {
                buckets.counts.append(input.word())
            }
        }
        return buckets
    }
}
