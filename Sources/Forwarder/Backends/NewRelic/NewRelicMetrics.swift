import Metrics
import WALStore

/// Points as the body of the Metric API: blocks of metrics that share their attributes.
///
/// `[{"common":{"attributes":{"job":"node"}},"metrics":[{"name":"load","type":"gauge","value":2.3,"timestamp":1790000000000}]}]`.
/// A count begins at its timestamp and lasts its interval. A histogram of what was added, with its extremes, is a summary, and a count for each bound;
/// any other histogram is counts; a quantile is a gauge.
/// <https://docs.newrelic.com/docs/data-apis/ingest-apis/metric-api/report-metrics-metric-api/>
struct NewRelicMetrics: Sendable {
    private(set) var body: [UInt8] = []

    /// Milliseconds of a count where the sender did not say since when it counts.
    private static let usualInterval: Int64 = 10_000

    /// What the points of one series share.
    private struct Shared: Sendable {
        /// The inside of a JSON string, a range of `texts`.
        var name: Range<Int>
        /// In bytes, before it was escaped.
        var nameBytes: Int
        var attributes: Int
        var block: Int
    }
    private struct Block: Sendable {
        /// Members of `attributes`, a range of `texts`.
        var attributes: Range<Int>
        var first = -1
        var last = -1
    }
    private struct Metric: Sendable {
        /// A range of `metrics`.
        var text: Range<Int>
        var next = -1
    }

    private var texts: [UInt8] = []
    private var metrics: [UInt8] = []
    private var name: [UInt8] = []
    private var key: [UInt8] = []
    private var shared: [UInt32: Shared] = [:]
    private var piece = -1
    private var known: [UInt64: Int] = [:]
    private var blocks: [Block] = []
    private var chain: [Metric] = []
    /// No count begins before it: milliseconds.
    private var earliestStart: Int64 = 0
    /// The first timestamp in the body, milliseconds: what its age is counted from.
    private var earliest = Int64.max

    /// - Parameter earliestStart: nanoseconds; what was added over a gap that began before it is told as of then.
    mutating func begin(earliestStart: Int64) {
        self.earliestStart = earliestStart / 1_000_000
        earliest = .max
        body.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
        metrics.removeAll(keepingCapacity: true)
        shared.removeAll(keepingCapacity: true)
        piece = -1
        known.removeAll(keepingCapacity: true)
        blocks.removeAll(keepingCapacity: true)
        chain.removeAll(keepingCapacity: true)
    }

    mutating func append(
        _ batch: Batch, _ run: LeasedRun, _ reader: inout NumberReader, into request: inout EncodedRequest
    ) {
        // Ids of series are the batch's own.
        if run.piece != piece {
            shared.removeAll(keepingCapacity: true)
            piece = run.piece
        }
        for ordinal in run.ordinals {
            let common = share(batch, batch.points.series[ordinal])
            let isScalar = batch.points.kind(at: ordinal).isScalar
            guard common.nameBytes + (isScalar ? 0 : "_bucket".utf8.count) <= NewRelicNames.nameLimit else {
                request.exclude(piece: run.piece, ordinal: ordinal, reason: "name_too_long")
                continue
            }
            // A bound is an attribute too.
            guard common.attributes + (isScalar ? 0 : 1) <= NewRelicNames.attributeLimit else {
                request.exclude(piece: run.piece, ordinal: ordinal, reason: "too_many_attributes")
                continue
            }
            let time = batch.points.times[ordinal]
            var whole = Whole()
            let isSent = reader.read(ordinal, of: run.piece, batch, into: &request) { part, reading in
                if !whole.takes(part, reading) { put(part, reading, time, common) }
            }
            guard isSent else { continue }
            let isDelta = !isScalar && reader.rule.meaning(ofDistribution: ordinal, in: batch) == .increment
            put(whole, isDelta: isDelta, time, common)
            request.points += 1
        }
        if earliest < .max { request.earliest = earliest * 1_000_000 }
    }

    /// Writes the body.
    mutating func finish() {
        body.append(UInt8(ascii: "["))
        var isFirst = true
        for block in blocks where block.first >= 0 {
            if !isFirst { body.append(UInt8(ascii: ",")) }
            isFirst = false
            body.append(contentsOf: "{\"common\":{\"attributes\":{".utf8)
            body.append(contentsOf: texts[block.attributes])
            body.append(contentsOf: "}},\"metrics\":[".utf8)
            var at = block.first
            while at >= 0 {
                if at != block.first { body.append(UInt8(ascii: ",")) }
                body.append(contentsOf: metrics[chain[at].text])
                at = chain[at].next
            }
            body.append(contentsOf: "]}".utf8)
        }
        body.append(UInt8(ascii: "]"))
    }

    // MARK: Metrics

    /// The numbers of a distribution that may be one metric.
    private struct Whole {
        var count: NumberReading?
        var sum: NumberReading?
        var minimum: NumberReading?
        var maximum: NumberReading?

        mutating func takes(_ part: NumberPart, _ reading: NumberReading) -> Bool {
            switch part {
            case .count: count = reading
            case .sum: sum = reading
            case .minimum: minimum = reading
            case .maximum: maximum = reading
            case .value, .bucket, .quantile: return false
            }
            return true
        }
    }

    /// - Parameter isDelta: all four are of the same stretch of time; else the extremes are of all time.
    private mutating func put(_ whole: Whole, isDelta: Bool, _ time: Int64, _ common: Shared) {
        if isDelta, case .count(let count)? = whole.count, case .count(let sum)? = whole.sum,
            case .gauge(let minimum)? = whole.minimum, case .gauge(let maximum)? = whole.maximum
        {
            begin(common, suffix: "", type: "summary")
            text(",\"value\":{\"count\":")
            append(count.amount)
            text(",\"sum\":")
            append(sum.amount)
            text(",\"min\":")
            append(minimum.double)
            text(",\"max\":")
            append(maximum.double)
            text("}")
            end(common, time, since: count.since, isWindow: true)
            return
        }
        for (part, reading) in [
            (NumberPart.count, whole.count), (.sum, whole.sum), (.minimum, whole.minimum), (.maximum, whole.maximum),
        ] {
            if let reading { put(part, reading, time, common) }
        }
    }

    private mutating func put(_ part: NumberPart, _ reading: NumberReading, _ time: Int64, _ common: Shared) {
        let suffix: StaticString =
            switch part {
            case .value, .quantile: ""
            case .count: "_count"
            case .sum: "_sum"
            case .minimum: "_min"
            case .maximum: "_max"
            case .bucket: "_bucket"
            }
        let (value, since, isWindow) =
            switch reading {
            case .gauge(let number): (number.double, Int64(0), false)
            case .count(let count): (count.amount, count.since, true)
            }
        begin(common, suffix: suffix, type: isWindow ? "count" : "gauge")
        text(",\"value\":")
        append(value)
        switch part {
        case .bucket(let bound): attribute("le", bound)
        case .quantile(let quantile): attribute("quantile", quantile)
        case .value, .count, .sum, .minimum, .maximum: break
        }
        end(common, time, since: since, isWindow: isWindow)
    }

    private mutating func text(_ literal: StaticString) {
        metrics.append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    /// A Java double, in the shortest form that reads back as it.
    private mutating func append(_ value: Double) { NumberPrinter.append(float64: value.bitPattern, to: &metrics) }

    private mutating func attribute(_ key: StaticString, _ bound: UInt64) {
        text(",\"attributes\":{\"")
        text(key)
        text("\":\"")
        NumberPart.append(bound: bound, to: &metrics)
        text("\"}")
    }

    private mutating func begin(_ common: Shared, suffix: StaticString, type: StaticString) {
        chain.append(Metric(text: metrics.count..<metrics.count))
        text("{\"name\":\"")
        metrics.append(contentsOf: texts[common.name])
        text(suffix)
        text("\",\"type\":\"")
        text(type)
        text("\"")
    }

    /// - Parameters:
    ///   - since: nanoseconds, 0 where it is not known.
    ///   - isWindow: it has an interval, and the timestamp is its beginning.
    private mutating func end(_ common: Shared, _ time: Int64, since: Int64, isWindow: Bool) {
        let end = time / 1_000_000
        var start = end
        if isWindow {
            start = since > 0 ? min(since / 1_000_000, end - 1) : end - Self.usualInterval
            start = max(start, min(earliestStart, end - 1), 0)
        }
        earliest = min(earliest, start)
        text(",\"timestamp\":")
        NumberPrinter.append(start, to: &metrics)
        if isWindow {
            text(",\"interval.ms\":")
            NumberPrinter.append(max(1, end - start), to: &metrics)
        }
        text("}")
        let at = chain.count - 1
        chain[at].text = chain[at].text.lowerBound..<metrics.count
        if blocks[common.block].first < 0 {
            blocks[common.block].first = at
        } else {
            chain[blocks[common.block].last].next = at
        }
        blocks[common.block].last = at
    }

    // MARK: Series

    private mutating func share(_ batch: Batch, _ id: UInt32) -> Shared {
        if let made = shared[id] { return made }
        name.removeAll(keepingCapacity: true)
        batch.appendName(of: id, to: &name)
        let start = texts.count
        name.withUnsafeBytes { JSONOutput.append(string: $0, to: &texts) }
        texts.removeLast()
        let attributes = texts.count
        var keys: Set<UInt64> = []
        batch.eachTag(of: id) { tag, value in
            key.removeAll(keepingCapacity: true)
            NewRelicNames.append(key: tag, ofMetric: name, to: &key)
            // A label and an attribute of one name, or two that became one.
            while !keys.insert(key.withUnsafeBytes { SeriesTable.hash($0) }).inserted,
                key.count < NewRelicNames.nameLimit
            {
                key.append(UInt8(ascii: "_"))
            }
            if texts.count > attributes { texts.append(UInt8(ascii: ",")) }
            key.withUnsafeBytes { JSONOutput.append(string: $0, to: &texts) }
            texts.append(UInt8(ascii: ":"))
            JSONOutput.append(string: NewRelicNames.cut(value: value), to: &texts)
        }
        let made = Shared(
            name: start + 1..<attributes, nameBytes: name.count, attributes: keys.count,
            block: block(attributes..<texts.count))
        shared[id] = made
        return made
    }

    /// The block of these attributes, which many series share.
    private mutating func block(_ attributes: Range<Int>) -> Int {
        let hash = texts.withUnsafeBytes { SeriesTable.hash(UnsafeRawBufferPointer(rebasing: $0[attributes])) }
        if let index = known[hash], texts[blocks[index].attributes] == texts[attributes] { return index }
        if known[hash] == nil { known[hash] = blocks.count }
        blocks.append(Block(attributes: attributes))
        return blocks.count - 1
    }
}
