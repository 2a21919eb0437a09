import Metrics
import WALStore

/// Makes a push: the newest value of each series of a chunk, and beside them what their families had before.
struct PushBody: Sendable {
    /// A series of the chunk, at its newest point so far.
    private struct Newest {
        var piece: Int
        var ordinal: Int
        var time: Int64
        /// Which samples are its own.
        var samples: Range<Int>
    }

    /// What the chunk adds, in the order of the body once it is rendered.
    private(set) var samples: [PushedSample] = []
    private(set) var body: [UInt8] = []
    private var encoder = ExpositionEncoder()
    private var reserved: [[UInt8]] = []
    private var own: [[UInt8]] = []

    mutating func begin(_ group: PushGroup, _ own: [[UInt8]]) {
        (reserved, self.own) = (group.names, own)
        samples.removeAll(keepingCapacity: true)
        body.removeAll(keepingCapacity: true)
    }

    // MARK: Choosing

    /// Takes the points that are pushed, and excludes the others.
    ///
    /// - Parameter times: those that a point may have, nanoseconds since the epoch.
    mutating func take(
        _ chunk: Chunk, _ times: ClosedRange<Int64>, _ known: PushedSeries.Group, _ maximumSeries: Int,
        _ request: inout EncodedRequest
    ) {
        var newest: [[UInt8]: Newest] = [:]
        var added = 0
        for run in chunk.runs {
            let batch = chunk.pieces[run.piece].batch
            for ordinal in run.ordinals {
                let time = batch.points.times[ordinal]
                let start = samples.count
                let reason = Self.refusal(time, times) ?? append(batch, ordinal, time)
                let verdict = reason ?? refusal(samples[start...], known, newest, maximumSeries - added)
                if let verdict {
                    samples.removeSubrange(start...)
                    request.exclude(piece: run.piece, ordinal: ordinal, reason: verdict)
                    continue
                }
                let mine = Newest(piece: run.piece, ordinal: ordinal, time: time, samples: start..<samples.count)
                // A histogram may have got another first bucket; each has a count, and that comes last.
                let (key, family) = (samples[samples.count - 1].series, samples[samples.count - 1].family)
                if let before = newest.updateValue(mine, forKey: key) {
                    request.exclude(
                        piece: before.piece, ordinal: before.ordinal,
                        reason: Pushgateway.Exclusion.superseded.rawValue)
                    // Marked, not removed: the others keep their places.
                    for index in before.samples { samples[index].value = [] }
                } else {
                    request.points += 1
                    if known.value(family, key) == nil { added += mine.samples.count }
                }
            }
        }
        samples.removeAll { $0.value.isEmpty }
        request.excluded.sort {
            ($0.run.piece, $0.run.ordinals.lowerBound) < ($1.run.piece, $1.run.ordinals.lowerBound)
        }
    }

    private static func refusal(_ time: Int64, _ times: ClosedRange<Int64>) -> String? {
        if time < times.lowerBound { return Pushgateway.Exclusion.past.rawValue }
        return time > times.upperBound ? Pushgateway.Exclusion.ahead.rawValue : nil
    }

    /// - Returns: why there is nothing to push of the point, or nil.
    private mutating func append(_ batch: Batch, _ ordinal: Int, _ time: Int64) -> String? {
        var isOwn = false
        let (own, reserved) = (own, reserved)
        var found: [PushedSample] = []
        let excluded = encoder.samples(batch, ordinal) { series, bits in
            let name = ExpositionEncoder.name(of: series)
            if own.contains(where: { name.starts(with: $0) }) { isOwn = true }
            var sample = PushedSample(family: Array(name), series: [], value: [], time: time)
            ExpositionEncoder.append(series, renaming: reserved, to: &sample.series)
            ExpositionEncoder.append(value: bits, to: &sample.value)
            found.append(sample)
        }
        if let excluded { return excluded.rawValue }
        if isOwn { return Pushgateway.Exclusion.own.rawValue }
        if found.count > 1, let whole = found.last?.series {
            for index in found.indices { found[index].whole = whole }
        }
        samples += found
        return nil
    }

    /// - Parameter point: its samples, one at least.
    private func refusal(
        _ point: ArraySlice<PushedSample>, _ known: PushedSeries.Group, _ newest: [[UInt8]: Newest], _ room: Int
    ) -> String? {
        guard let last = point.last else { return Pushgateway.Exclusion.tooMany.rawValue }
        if let before = newest[last.series] {
            return before.time > last.time ? Pushgateway.Exclusion.superseded.rawValue : nil
        }
        if let before = known.value(last.family, last.series) {
            return before.time > last.time ? Pushgateway.Exclusion.pushed.rawValue : nil
        }
        return known.count + point.count > room ? Pushgateway.Exclusion.tooMany.rawValue : nil
    }

    // MARK: Writing

    /// Writes the families of `samples` whole, each once and in the order of their names.
    ///
    /// - Parameters:
    ///   - wall: nanoseconds since the epoch; a sample that is ahead of it makes no other old.
    ///   - newestWithin: what is older than the newest sample by more is left out; 0: nothing is.
    mutating func render(_ known: PushedSeries.Group, wall: Int64, _ newestWithin: Int64) {
        let newest = min(wall, samples.reduce(Int64.min) { max($0, $1.time) })
        let families = Dictionary(grouping: samples, by: \.family)
        for (family, added) in families.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let series = known.family(family, adding: added).filter {
                newestWithin == 0 || newest - $0.value.time <= newestWithin
            }
            for (name, value) in series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                body.append(contentsOf: name)
                body.append(UInt8(ascii: " "))
                body.append(contentsOf: value.text)
                body.append(UInt8(ascii: "\n"))
            }
        }
    }

    /// Whether most of the body is what the families of its points bring along: fewer points make it hardly smaller.
    var isMostlyOthers: Bool {
        samples.reduce(0) { $0 + $1.series.count + $1.value.count + 2 } < body.count / 4
    }
}
