import Metrics
import WALStore

/// Points as the body of `/api/v2/series`: one object a series, with a point for each second that it has.
///
/// A second has one point, since a later one takes its place: of gauges the last, of counts all that was added in it.
/// A histogram is `.count`, `.sum`, `.min`, `.max` and a `.bucket` for each bound, in the tag `upper_bound`; a summary has its quantiles under its own name,
/// in the tag `quantile`. All of them are counts and gauges, which may be sent again: a distribution adds up what comes twice.
/// <https://docs.datadoghq.com/api/latest/metrics/#submit-metrics>
struct DatadogSeries: Sendable {
    private(set) var body: [UInt8] = []

    /// Seconds of a count where the sender did not say since when it counts: what Datadog's own agent has.
    private static let usualInterval: Int64 = 10

    /// What the points of one series of ours share; ranges of `texts`.
    private struct Shared: Sendable {
        var name: Range<Int>
        /// `"a:b","c:d"`.
        var tags: Range<Int>
        /// As a JSON string; empty when there is none.
        var host: Range<Int>
    }
    private struct Cell: Hashable, Sendable {
        var series: Int
        var second: Int64
    }
    /// One of theirs.
    private struct Series: Sendable {
        /// `"metric":...` to `"tags":[...]`, a range of `heads`.
        var head: Range<Int>
        var isCount: Bool
        var first = -1
        var last = -1
    }
    private struct Point: Sendable {
        var second: Int64
        var number: PointNumber
        /// Of the newest point in it, nanoseconds.
        var time: Int64
        /// Seconds; 0 for a gauge.
        var interval: Int64
        var next = -1
    }
    private struct PartKey: Hashable, Sendable {
        var series: UInt32
        var part: NumberPart
        var isCount: Bool
    }

    private var texts: [UInt8] = []
    private var heads: [UInt8] = []
    private var tag: [UInt8] = []
    private var tagEnds: [Range<Int>] = []
    private var shared: [UInt32: Shared] = [:]
    private var parts: [PartKey: Int] = [:]
    private var piece = -1
    private var known: [UInt64: Int] = [:]
    private var series: [Series] = []
    private var cells: [Cell: Int] = [:]
    private var points: [Point] = []

    mutating func begin() {
        body.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
        heads.removeAll(keepingCapacity: true)
        shared.removeAll(keepingCapacity: true)
        parts.removeAll(keepingCapacity: true)
        piece = -1
        known.removeAll(keepingCapacity: true)
        series.removeAll(keepingCapacity: true)
        cells.removeAll(keepingCapacity: true)
        points.removeAll(keepingCapacity: true)
    }

    mutating func append(
        _ batch: Batch, _ run: LeasedRun, _ reader: inout NumberReader, into request: inout EncodedRequest
    ) {
        // Ids of series are the batch's own.
        if run.piece != piece {
            shared.removeAll(keepingCapacity: true)
            parts.removeAll(keepingCapacity: true)
            piece = run.piece
        }
        for ordinal in run.ordinals {
            let id = batch.points.series[ordinal]
            let common = share(batch, id)
            // With the longest of the endings.
            let room = batch.points.kind(at: ordinal).isScalar ? 0 : ".bucket".utf8.count
            guard common.name.count + room <= DatadogNames.limit else {
                request.exclude(piece: run.piece, ordinal: ordinal, reason: "name_too_long")
                continue
            }
            let time = batch.points.times[ordinal]
            let isSent = reader.read(ordinal, of: run.piece, batch, into: &request) { part, reading in
                switch reading {
                case .gauge(let number):
                    put(number, time, in: theirs(PartKey(series: id, part: part, isCount: false), common))
                case .count(let count):
                    put(count, time, in: theirs(PartKey(series: id, part: part, isCount: true), common))
                }
            }
            guard isSent else { continue }
            request.points += 1
            request.earliest = min(request.earliest, time)
        }
    }

    /// Writes the body.
    mutating func finish() {
        body.append(contentsOf: "{\"series\":[".utf8)
        var isFirst = true
        for one in series {
            var at = one.first
            while at >= 0 {
                if !isFirst { body.append(UInt8(ascii: ",")) }
                isFirst = false
                at = append(one, from: at)
            }
        }
        body.append(contentsOf: "]}".utf8)
    }

    /// Appends a series with its points from one on, as far as they have one interval.
    ///
    /// - Returns: the point that comes next, or -1.
    private mutating func append(_ one: Series, from start: Int) -> Int {
        let interval = points[start].interval
        body.append(UInt8(ascii: "{"))
        body.append(contentsOf: heads[one.head])
        if one.isCount {
            body.append(contentsOf: ",\"interval\":".utf8)
            NumberPrinter.append(interval, to: &body)
        }
        body.append(contentsOf: ",\"points\":[".utf8)
        var at = start
        while at >= 0, points[at].interval == interval {
            body.append(contentsOf: (at == start ? "{\"timestamp\":" : ",{\"timestamp\":").utf8)
            NumberPrinter.append(points[at].second, to: &body)
            body.append(contentsOf: ",\"value\":".utf8)
            points[at].number.append(to: &body)
            body.append(UInt8(ascii: "}"))
            at = points[at].next
        }
        body.append(contentsOf: "]}".utf8)
        return at
    }

    // MARK: Points

    private mutating func put(_ number: PointNumber, _ time: Int64, in index: Int) {
        let second = time / 1_000_000_000
        if let at = cells[Cell(series: index, second: second)] {
            if time >= points[at].time { (points[at].number, points[at].time) = (number, time) }
        } else {
            add(Point(second: second, number: number, time: time, interval: 0), to: index)
        }
    }

    private mutating func put(_ count: CountReading, _ time: Int64, in index: Int) {
        let second = time / 1_000_000_000
        if let at = cells[Cell(series: index, second: second)] {
            // A sum of finite numbers may be infinite, and JSON has no word for that.
            let largest = Double.greatestFiniteMagnitude
            let sum = min(max(points[at].number.double + count.inWindow, -largest), largest)
            points[at].number = .float(sum.bitPattern)
            points[at].time = max(points[at].time, time)
        } else {
            let length =
                count.since > 0 ? max(1, (time - count.since + 500_000_000) / 1_000_000_000) : Self.usualInterval
            add(
                Point(second: second, number: .float(count.inWindow.bitPattern), time: time, interval: length),
                to: index)
        }
    }

    private mutating func add(_ point: Point, to index: Int) {
        let at = points.count
        points.append(point)
        cells[Cell(series: index, second: point.second)] = at
        if series[index].first < 0 { series[index].first = at } else { points[series[index].last].next = at }
        series[index].last = at
    }

    // MARK: Series

    /// The series of theirs that a number belongs to: of ours, all that became one by their names.
    private mutating func theirs(_ key: PartKey, _ common: Shared) -> Int {
        if let index = parts[key] { return index }
        let start = heads.count
        appendHead(key, common)
        let hash = heads.withUnsafeBytes { SeriesTable.hash(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        if let index = known[hash], heads[series[index].head] == heads[start...] {
            heads.removeSubrange(start...)
            parts[key] = index
            return index
        }
        if known[hash] == nil { known[hash] = series.count }
        parts[key] = series.count
        series.append(Series(head: start..<heads.count, isCount: key.isCount))
        return series.count - 1
    }

    private mutating func appendHead(_ key: PartKey, _ common: Shared) {
        heads.append(contentsOf: "\"metric\":\"".utf8)
        heads.append(contentsOf: texts[common.name])
        var bound: (String, UInt64)?
        switch key.part {
        case .value: break
        case .count: heads.append(contentsOf: ".count".utf8)
        case .sum: heads.append(contentsOf: ".sum".utf8)
        case .minimum: heads.append(contentsOf: ".min".utf8)
        case .maximum: heads.append(contentsOf: ".max".utf8)
        case .bucket(let upTo):
            heads.append(contentsOf: ".bucket".utf8)
            bound = ("upper_bound", upTo)
        case .quantile(let quantile): bound = ("quantile", quantile)
        }
        heads.append(contentsOf: (key.isCount ? "\",\"type\":1" : "\",\"type\":3").utf8)
        if !common.host.isEmpty {
            heads.append(contentsOf: ",\"resources\":[{\"type\":\"host\",\"name\":".utf8)
            heads.append(contentsOf: texts[common.host])
            heads.append(contentsOf: "}]".utf8)
        }
        heads.append(contentsOf: ",\"tags\":[".utf8)
        heads.append(contentsOf: texts[common.tags])
        if let (name, bits) = bound {
            if !common.tags.isEmpty { heads.append(UInt8(ascii: ",")) }
            heads.append(contentsOf: "\"\(name):".utf8)
            if bits == FloatBits.positiveInfinity {
                heads.append(contentsOf: "inf".utf8)
            } else {
                tag.removeAll(keepingCapacity: true)
                NumberPart.append(bound: bits, to: &tag)
                // Of `1e+20`: a tag has no plus.
                for byte in tag where byte != UInt8(ascii: "+") { heads.append(byte) }
            }
            heads.append(UInt8(ascii: "\""))
        }
        heads.append(UInt8(ascii: "]"))
    }

    private static let hostKey = Array("host".utf8)
    private static let hostName = Array("host.name".utf8)

    private mutating func share(_ batch: Batch, _ id: UInt32) -> Shared {
        if let made = shared[id] { return made }
        tag.removeAll(keepingCapacity: true)
        batch.appendName(of: id, to: &tag)
        let name = texts.count
        DatadogNames.append(name: tag, to: &texts)
        let host = texts.count
        tag.removeAll(keepingCapacity: true)
        tagEnds.removeAll(keepingCapacity: true)
        batch.eachTag(of: id) { key, value in
            // The host of a series is no tag; a resource's own name of it is one, beside a label that says it.
            if texts.count == host, key.elementsEqual(Self.hostKey) || key.elementsEqual(Self.hostName) {
                JSONOutput.append(string: value, to: &texts)
                return
            }
            let start = tag.count
            DatadogNames.append(key: key, value: value, to: &tag)
            tagEnds.append(start..<tag.count)
        }
        let tags = texts.count
        appendTags()
        let made = Shared(name: name..<host, tags: tags..<texts.count, host: host..<tags)
        shared[id] = made
        return made
    }

    /// In order, each once.
    private mutating func appendTags() {
        tagEnds.sort { tag[$0].lexicographicallyPrecedes(tag[$1]) }
        for (index, range) in tagEnds.enumerated() {
            if index > 0 {
                if tag[range] == tag[tagEnds[index - 1]] { continue }
                texts.append(UInt8(ascii: ","))
            }
            texts.append(UInt8(ascii: "\""))
            texts.append(contentsOf: tag[range])
            texts.append(UInt8(ascii: "\""))
        }
    }
}
