extension JSONRecordDecoder {
    mutating func readExplicit(_ reader: inout JSONReader) throws(WireError) -> ExplicitHistogram {
        var histogram = ExplicitHistogram(count: 0, sumBits: nil, bounds: [], bucketCounts: [])
        var keys = KnownKeys(["count", "sum", "bounds", "counts", "min", "max"])
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch try keys.match(key, reader) {
            case 0: histogram.count = try reader.uint64()
            case 1: histogram.sumBits = try reader.floatOrSpecial()
            case 2: histogram.bounds = try reader.floats()
            case 3:
                try reader.beginArray()
                while try reader.nextElement() { histogram.bucketCounts.append(try reader.uint64()) }
            case 4: histogram.minimumBits = try reader.floatOrSpecial()
            default: histogram.maximumBits = try reader.floatOrSpecial()
            }
        }
        try keys.require(0, reader)
        let isBare = histogram.bounds.isEmpty && histogram.bucketCounts.isEmpty
        if !isBare, histogram.bucketCounts.count != histogram.bounds.count + 1 {
            record.fault = (.invalidHistogram, "a histogram has one bucket more than bounds")
        }
        return histogram
    }

    /// `count` and `zero_count` are whole numbers in the integer form; `float_count` and `float_zero_count` stand in
    /// their place in the float form.
    mutating func readExponential(_ reader: inout JSONReader) throws(WireError) -> ExponentialHistogram {
        var histogram = ExponentialHistogram(count: .integer(0), sumBits: 0, schema: 0)
        var keys = KnownKeys([
            "count", "float_count", "sum", "schema", "zero_threshold", "zero_count", "float_zero_count", "negative",
            "positive", "custom_bounds", "reset_hint", "min", "max",
        ])
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch try keys.match(key, reader) {
            case 0: histogram.count = .integer(try reader.uint64())
            case 1: histogram.count = .float(try reader.floatOrSpecial())
            case 2: histogram.sumBits = try reader.floatOrSpecial()
            case 3: histogram.schema = try reader.int(Int32.self)
            case 4: histogram.zeroThresholdBits = try reader.floatOrSpecial()
            case 5: histogram.zeroCount = .integer(try reader.uint64())
            case 6: histogram.zeroCount = .float(try reader.floatOrSpecial())
            case 7: histogram.negative = try readBuckets(&reader)
            case 8: histogram.positive = try readBuckets(&reader)
            case 9: histogram.customBounds = try reader.floats()
            case 10: histogram.resetHint = try reader.int(UInt8.self)
            case 11: histogram.minimumBits = try reader.floatOrSpecial()
            default: histogram.maximumBits = try reader.floatOrSpecial()
            }
        }
        try keys.requireOne(of: 0, 1, reader)
        try keys.refuseBoth(5, 6, reader)
        try keys.require(2, reader)
        try keys.require(3, reader)
        if let fault = histogram.fault { record.fault = (.invalidHistogram, fault) }
        return histogram
    }

    private mutating func readBuckets(_ reader: inout JSONReader) throws(WireError) -> HistogramBuckets {
        var buckets = HistogramBuckets.none
        var keys = KnownKeys(["spans", "deltas", "counts"])
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch try keys.match(key, reader) {
            case 0: buckets.spans = try readSpans(&reader)
            case 1:
                try reader.beginArray()
                while try reader.nextElement() { buckets.deltas.append(try reader.int64()) }
            default: buckets.counts = try reader.floats()
            }
        }
        let length = buckets.spans.reduce(0) { $0 + Int($1.length) }
        let isWhole = buckets.deltas.isEmpty || buckets.counts.isEmpty
        if !isWhole || length != max(buckets.deltas.count, buckets.counts.count) {
            record.fault = (.invalidHistogram, "the spans of a histogram do not match its buckets")
        }
        return buckets
    }

    private func readSpans(_ reader: inout JSONReader) throws(WireError) -> [BucketSpan] {
        var spans: [BucketSpan] = []
        try reader.beginArray()
        while try reader.nextElement() {
            try reader.beginArray()
            guard try reader.nextElement() else { throw reader.failure("a span is an offset and a length") }
            let offset = try reader.int(Int32.self)
            guard try reader.nextElement() else { throw reader.failure("a span is an offset and a length") }
            spans.append(BucketSpan(offset: offset, length: try reader.int(UInt32.self)))
            if try reader.nextElement() { throw reader.failure("a span is an offset and a length") }
        }
        return spans
    }

    func readSummary(_ reader: inout JSONReader) throws(WireError) -> Summary {
        var summary = Summary(count: 0, sumBits: 0, quantiles: [])
        var keys = KnownKeys(["count", "sum", "quantiles"])
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch try keys.match(key, reader) {
            case 0: summary.count = try reader.uint64()
            case 1: summary.sumBits = try reader.floatOrSpecial()
            default:
                try reader.beginArray()
                while try reader.nextElement() {
                    let pair = try reader.floats()
                    guard pair.count == 2 else { throw reader.failure("a quantile is a pair of numbers") }
                    summary.quantiles.append(Summary.Quantile(quantileBits: pair[0], valueBits: pair[1]))
                }
            }
        }
        try keys.require(0, reader)
        try keys.require(1, reader)
        return summary
    }
}
