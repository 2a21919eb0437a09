import Metrics
import WALStore

/// Points as HEC's metric events: JSON objects one after the other, each with all metrics that share a time and dimensions.
///
/// `{"time":1529708430.123,"event":"metric","host":"h","fields":{"zone":"a","metric_name:cpu.user":11.1,"metric_name:cpu.sys":2}}`.
/// A histogram or a summary has events of its own, one for each bound or quantile, because those are dimensions.
/// <https://docs.splunk.com/Documentation/Splunk/latest/Metrics/GetMetricsInOther#The_multiple-metric_JSON_format>
struct SplunkEvents: Sendable {
    private(set) var body: [UInt8] = []

    /// What the points of one series share; ranges of `texts`.
    private struct Series: Sendable {
        var name: Range<Int>
        var host: Range<Int>
        /// Members of `fields`, each with a comma behind it.
        var dimensions: Range<Int>
        /// Equal for series with equal host and dimensions.
        var group: Int
    }
    private struct Event: Sendable {
        var series: Series
        var milliseconds: Int64
        /// `le` or `quantile`, as a member with a comma behind it; a range of `members`.
        var bound: Range<Int>
        /// Of the chain of its metrics.
        var first: Int
        var last: Int
    }
    /// One metric of an event: a range of `members`, and which comes behind it.
    private struct Member: Sendable {
        var text: Range<Int>
        var next: Int
    }
    private struct Moment: Sendable, Hashable {
        var group: Int
        var milliseconds: Int64
    }

    private var common: [UInt8] = []
    private var texts: [UInt8] = []
    private var members: [UInt8] = []
    private var key: [UInt8] = []
    private var series: [Series] = []
    private var known: [UInt32: Int] = [:]
    private var knownPiece = -1
    /// The first series of each group, by the hash of what it shares.
    private var groups: [UInt64: Int] = [:]
    private var open: [Moment: Int] = [:]
    /// Which metrics which events have, by hash: a collision only makes one event more.
    private var taken: Set<UInt64> = []
    private var events: [Event] = []
    private var chain: [Member] = []

    /// - Parameter common: members of every event, each with a comma before it.
    mutating func begin(common: [UInt8]) {
        self.common = common
        body.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
        members.removeAll(keepingCapacity: true)
        series.removeAll(keepingCapacity: true)
        known.removeAll(keepingCapacity: true)
        knownPiece = -1
        groups.removeAll(keepingCapacity: true)
        open.removeAll(keepingCapacity: true)
        taken.removeAll(keepingCapacity: true)
        events.removeAll(keepingCapacity: true)
        chain.removeAll(keepingCapacity: true)
    }

    /// Takes the points of a run in; `items` of the request then has the points of each event. Of a point with several events
    /// the first has it.
    mutating func append(_ batch: Batch, _ run: LeasedRun, into request: inout EncodedRequest) {
        // Ids of series are the batch's own.
        if run.piece != knownPiece { known.removeAll(keepingCapacity: true) }
        knownPiece = run.piece
        for ordinal in run.ordinals {
            if let reason = PointNumbers.exclusion(of: ordinal, in: batch) {
                request.exclude(piece: run.piece, ordinal: ordinal, reason: reason.rawValue)
                continue
            }
            let shared = share(batch, batch.points.series[ordinal])
            let milliseconds = batch.points.times[ordinal] / 1_000_000
            var event = events.count
            if batch.points.kind(at: ordinal).isScalar {
                PointNumbers.walk(ordinal, of: batch, buckets: .cumulative) { _, number in
                    event = add(number, of: shared, milliseconds)
                }
            } else {
                addParts(batch, ordinal, of: shared, milliseconds)
            }
            while request.items.count < events.count { request.items.append([]) }
            SplunkEvents.note(run.piece, ordinal, in: &request.items[event])
            request.points += 1
        }
    }

    private static func note(_ piece: Int, _ ordinal: Int, in runs: inout [LeasedRun]) {
        if let last = runs.last, last.piece == piece, last.ordinals.upperBound == ordinal {
            runs[runs.count - 1].ordinals = last.ordinals.lowerBound..<ordinal + 1
        } else {
            runs.append(LeasedRun(piece: piece, ordinals: ordinal..<ordinal + 1))
        }
    }

    /// Writes the events of all that was taken in.
    mutating func finish() {
        for event in events {
            text("{\"time\":")
            NumberPrinter.append(event.milliseconds / 1000, to: &body)
            // Always three digits: a number with an exponent is refused.
            let fraction = Int(event.milliseconds % 1000)
            body.append(UInt8(ascii: "."))
            for digit in [fraction / 100, fraction / 10 % 10, fraction % 10] { body.append(48 + UInt8(digit)) }
            text(",\"event\":\"metric\"")
            if !event.series.host.isEmpty {
                text(",\"host\":")
                body.append(contentsOf: texts[event.series.host])
            }
            body.append(contentsOf: common)
            text(",\"fields\":{")
            body.append(contentsOf: texts[event.series.dimensions])
            body.append(contentsOf: members[event.bound])
            var at = event.first
            while at >= 0 {
                if at != event.first { body.append(UInt8(ascii: ",")) }
                body.append(contentsOf: members[chain[at].text])
                at = chain[at].next
            }
            text("}}\n")
        }
    }

    private mutating func text(_ literal: String) { body.append(contentsOf: literal.utf8) }

    // MARK: Metrics

    /// Adds a metric to the event of its time and dimensions, or to a new one where that has the metric already.
    ///
    /// - Returns: the event.
    private mutating func add(_ number: PointNumber, of shared: Series, _ milliseconds: Int64) -> Int {
        let moment = Moment(group: shared.group, milliseconds: milliseconds)
        let text = member(number, shared.name, suffix: "")
        if let event = open[moment], taken.insert(mark(shared.name, event)).inserted {
            extend(event, with: text)
            return event
        }
        let event = begin(shared, milliseconds, bound: 0..<0)
        extend(event, with: text)
        taken.insert(mark(shared.name, event))
        open[moment] = event
        return event
    }

    private func mark(_ name: Range<Int>, _ event: Int) -> UInt64 {
        let hash = texts.withUnsafeBytes { SeriesTable.hash(UnsafeRawBufferPointer(rebasing: $0[name])) }
        return (hash ^ UInt64(event)) &* 0x9E37_79B9_7F4A_7C15
    }

    private mutating func addParts(_ batch: Batch, _ ordinal: Int, of shared: Series, _ milliseconds: Int64) {
        let whole = begin(shared, milliseconds, bound: 0..<0)
        PointNumbers.walk(ordinal, of: batch, buckets: .cumulative) { part, number in
            switch part {
            case .value: break
            case .count: extend(whole, with: member(number, shared.name, suffix: "_count"))
            case .sum: extend(whole, with: member(number, shared.name, suffix: "_sum"))
            case .minimum: extend(whole, with: member(number, shared.name, suffix: "_min"))
            case .maximum: extend(whole, with: member(number, shared.name, suffix: "_max"))
            case .bucket(let bound):
                let event = begin(shared, milliseconds, bound: dimension("le", bound))
                extend(event, with: member(number, shared.name, suffix: "_bucket"))
            case .quantile(let quantile):
                let event = begin(shared, milliseconds, bound: dimension("quantile", quantile))
                extend(event, with: member(number, shared.name, suffix: ""))
            }
        }
    }

    private mutating func begin(_ shared: Series, _ milliseconds: Int64, bound: Range<Int>) -> Int {
        events.append(Event(series: shared, milliseconds: milliseconds, bound: bound, first: -1, last: -1))
        return events.count - 1
    }

    private mutating func extend(_ event: Int, with text: Range<Int>) {
        chain.append(Member(text: text, next: -1))
        let at = chain.count - 1
        if events[event].first < 0 { events[event].first = at } else { chain[events[event].last].next = at }
        events[event].last = at
    }

    private mutating func member(_ number: PointNumber, _ name: Range<Int>, suffix: String) -> Range<Int> {
        let start = members.count
        members.append(contentsOf: "\"metric_name:".utf8)
        members.append(contentsOf: texts[name])
        members.append(contentsOf: suffix.utf8)
        members.append(contentsOf: "\":".utf8)
        number.append(to: &members)
        return start..<members.count
    }

    private mutating func dimension(_ key: String, _ bound: UInt64) -> Range<Int> {
        let start = members.count
        members.append(contentsOf: "\"\(key)\":\"".utf8)
        NumberPart.append(bound: bound, to: &members)
        members.append(contentsOf: "\",".utf8)
        return start..<members.count
    }

    // MARK: Series

    private mutating func share(_ batch: Batch, _ id: UInt32) -> Series {
        if let index = known[id] { return series[index] }
        let name = appendName(batch, id)
        let host = texts.count
        batch.eachTag(of: id) { key, value in
            if texts.count == host, key.elementsEqual(SplunkEvents.hostKey) {
                JSONOutput.append(string: value, to: &texts)
            }
        }
        let start = texts.count
        let keys = appendDimensions(batch, id, hasHost: start > host)
        var made = Series(name: name, host: host..<start, dimensions: start..<keys, group: series.count)
        let hash = texts.withUnsafeBytes { SeriesTable.hash(UnsafeRawBufferPointer(rebasing: $0[host..<keys])) }
        if let first = groups[hash], texts[series[first].host] == texts[made.host],
            texts[series[first].dimensions] == texts[made.dimensions]
        {
            made.group = series[first].group
        } else if groups[hash] == nil {
            groups[hash] = series.count
        }
        known[id] = series.count
        series.append(made)
        return made
    }

    private static let hostKey = Array("host".utf8)

    /// As the inside of a JSON string.
    private mutating func appendName(_ batch: Batch, _ id: UInt32) -> Range<Int> {
        key.removeAll(keepingCapacity: true)
        batch.appendName(of: id, to: &key)
        let start = texts.count
        key.withUnsafeBytes { JSONOutput.append(string: $0, to: &texts) }
        texts.removeLast()
        return start + 1..<texts.count
    }

    /// - Returns: the end of what was appended.
    private mutating func appendDimensions(_ batch: Batch, _ id: UInt32, hasHost: Bool) -> Int {
        var isHostLeft = !hasHost
        var names: Set<UInt64> = []
        batch.eachTag(of: id) { name, value in
            if !isHostLeft, name.elementsEqual(SplunkEvents.hostKey) {
                isHostLeft = true
                return
            }
            key.removeAll(keepingCapacity: true)
            SplunkEvents.appendDimension(name, to: &key)
            // A label and an attribute of one name.
            while !names.insert(key.withUnsafeBytes { SeriesTable.hash($0) }).inserted { key.append(UInt8(ascii: "_")) }
            key.withUnsafeBytes { JSONOutput.append(string: $0, to: &texts) }
            texts.append(UInt8(ascii: ":"))
            JSONOutput.append(string: value, to: &texts)
            texts.append(UInt8(ascii: ","))
        }
        return texts.count
    }

    /// A dimension must not be called as a metric is, begin with `_`, nor take the names of bounds.
    private static func appendDimension(_ name: UnsafeRawBufferPointer, to key: inout [UInt8]) {
        let isReserved =
            name.first == UInt8(ascii: "_") || name.elementsEqual(Array("metric_type".utf8))
            || name.starts(with: Array("metric_name".utf8))
        if isReserved { key.append(UInt8(ascii: "x")) }
        if isReserved, name.first != UInt8(ascii: "_") { key.append(UInt8(ascii: "_")) }
        key.append(contentsOf: name)
    }
}
