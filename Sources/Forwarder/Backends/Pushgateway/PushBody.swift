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
    mutating func take(
        _ chunk: Chunk, oldest: Int64, _ known: PushedSeries.Group, _ maximumSeries: Int,
        _ request: inout EncodedRequest
    ) {
        var newest: [[UInt8]: Newest] = [:]
        var added = 0
        for run in chunk.runs {
            let batch = chunk.pieces[run.piece].batch
            for ordinal in run.ordinals {
                let time = batch.points.times[ordinal]
                let start = samples.count
                let reason = time < oldest ? Pushgateway.Exclusion.past.rawValue : append(batch, ordinal, time)
                let verdict = reason ?? refusal(samples[start...], known, newest, maximumSeries - added)
                if let verdict {
                    samples.removeSubrange(start...)
                    request.exclude(piece: run.piece, ordinal: ordinal, reason: verdict)
                    continue
                }
                let mine = Newest(piece: run.piece, ordinal: ordinal, time: time, samples: start..<samples.count)
                let key = samples[start].series
                if let before = newest.updateValue(mine, forKey: key) {
                    request.exclude(
                        piece: before.piece, ordinal: before.ordinal,
                        reason: Pushgateway.Exclusion.superseded.rawValue)
                    // Marked, not removed: the others keep their places.
                    for index in before.samples { samples[index].value = [] }
                } else {
                    request.points += 1
                    if known.value(samples[start].family, key) == nil { added += mine.samples.count }
                }
            }
        }
        samples.removeAll { $0.value.isEmpty }
        request.excluded.sort {
            ($0.run.piece, $0.run.ordinals.lowerBound) < ($1.run.piece, $1.run.ordinals.lowerBound)
        }
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
        samples += found
        return nil
    }

    /// - Parameter point: its samples, one at least.
    private func refusal(
        _ point: ArraySlice<PushedSample>, _ known: PushedSeries.Group, _ newest: [[UInt8]: Newest], _ room: Int
    ) -> String? {
        guard let first = point.first else { return Pushgateway.Exclusion.tooMany.rawValue }
        if let before = newest[first.series] {
            return before.time > first.time ? Pushgateway.Exclusion.superseded.rawValue : nil
        }
        if let before = known.value(first.family, first.series) {
            return before.time > first.time ? Pushgateway.Exclusion.pushed.rawValue : nil
        }
        return known.count + point.count > room ? Pushgateway.Exclusion.tooMany.rawValue : nil
    }

    // MARK: Writing

    /// Writes the families of `samples` whole, each once and in the order of their names.
    ///
    /// - Parameter newestWithin: what is older than the newest sample by more is left out; 0: nothing is.
    mutating func render(_ known: PushedSeries.Group, _ newestWithin: Int64) {
        var families: [[UInt8]: [[UInt8]: [UInt8]]] = [:]
        let newest = samples.reduce(Int64.min) { max($0, $1.time) }
        for sample in samples {
            if families[sample.family] == nil {
                let kept = (known.families[sample.family] ?? [:]).filter {
                    newestWithin == 0 || newest - $0.value.time <= newestWithin
                }
                families[sample.family] = kept.mapValues(\.text)
            }
            families[sample.family]?[sample.series] = sample.value
        }
        for (_, series) in families.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            for (name, value) in series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                body.append(contentsOf: name)
                body.append(UInt8(ascii: " "))
                body.append(contentsOf: value)
                body.append(UInt8(ascii: "\n"))
            }
        }
    }
}
