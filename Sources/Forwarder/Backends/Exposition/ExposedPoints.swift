import Metrics
import WALStore

/// Chooses what of a chunk is exposed: the newest point of each series.
struct ExposedPoints {
    private struct Chosen {
        var piece: Int
        var ordinal: Int
        var point: ExposedPoint
    }

    private let rules: ExpositionRules
    /// Wall clock, nanoseconds since the epoch.
    private let now: Int64
    private var encoder: ExpositionEncoder
    private var chosen: [Chosen] = []
    private var places: [[UInt8]: Int] = [:]
    /// Lines that come to those of the shelf.
    private var added = 0

    init(_ rules: ExpositionRules, now: Int64, _ encoder: ExpositionEncoder) {
        self.rules = rules
        self.now = now
        self.encoder = encoder
    }

    /// Of each series in the order of its first point; what is not exposed is excluded.
    static func choose(
        _ chunk: Chunk, _ rules: ExpositionRules, now: Int64, _ encoder: ExpositionEncoder,
        _ content: ExpositionShelf.Content, _ request: inout EncodedRequest
    ) {
        var points = ExposedPoints(rules, now: now, encoder)
        let newest = points.newest(of: chunk)
        for run in chunk.runs {
            let batch = chunk.pieces[run.piece].batch
            for ordinal in run.ordinals {
                let reason: String?
                if let exclusion = rules.exclusion(batch.points.times[ordinal], now) {
                    reason = exclusion.rawValue
                } else if newest[run.piece][Int(batch.points.series[ordinal])] != ordinal,
                    ExpositionEncoder.canCarry(batch.points.kind(at: ordinal))
                {
                    // A backlog is mostly that: no text is made of it.
                    reason = ExpositionRules.Exclusion.superseded.rawValue
                } else {
                    reason = points.take(run.piece, batch, ordinal, content, &request)
                }
                if let reason { request.exclude(piece: run.piece, ordinal: ordinal, reason: reason) }
            }
        }
        request.excluded.sort {
            ($0.run.piece, $0.run.ordinals.lowerBound) < ($1.run.piece, $1.run.ordinals.lowerBound)
        }
        request.exposed = points.chosen.map(\.point)
        request.points = points.chosen.count
    }

    /// For each piece, and each series of its batch, the ordinal of the newest point that can be exposed; -1 where there is none.
    private func newest(of chunk: Chunk) -> [[Int]] {
        var all = chunk.pieces.map { [Int](repeating: -1, count: $0.batch.series.count) }
        for run in chunk.runs {
            let points = chunk.pieces[run.piece].batch.points
            for ordinal in run.ordinals where rules.exclusion(points.times[ordinal], now) == nil {
                guard ExpositionEncoder.canCarry(points.kind(at: ordinal)) else { continue }
                let series = Int(points.series[ordinal])
                let best = all[run.piece][series]
                if best < 0 || points.times[best] <= points.times[ordinal] { all[run.piece][series] = ordinal }
            }
        }
        return all
    }

    /// - Returns: why it is not exposed, or nil.
    private mutating func take(
        _ piece: Int, _ batch: Batch, _ ordinal: Int, _ content: ExpositionShelf.Content,
        _ request: inout EncodedRequest
    ) -> String? {
        let point: ExposedPoint
        switch render(batch, ordinal) {
        case .success(let made): point = made
        case .failure(let refusal): return refusal.reason
        }
        if let place = places[point.key] {
            let before = chosen[place]
            guard before.point.time <= point.time else { return ExpositionRules.Exclusion.superseded.rawValue }
            guard fits(point, content, instead: before.point.lines.count) else {
                return ExpositionRules.Exclusion.tooMany.rawValue
            }
            request.exclude(
                piece: before.piece, ordinal: before.ordinal, reason: ExpositionRules.Exclusion.superseded.rawValue)
            chosen[place] = Chosen(piece: piece, ordinal: ordinal, point: point)
            added += point.lines.count - before.point.lines.count
            return nil
        }
        let before = content.value(point.key)
        if let before, before.time > point.time, !rules.isExpired(before.time, now) {
            return ExpositionRules.Exclusion.exposed.rawValue
        }
        guard fits(point, content, instead: before?.lines.count ?? 0) else {
            return ExpositionRules.Exclusion.tooMany.rawValue
        }
        added += point.lines.count - (before?.lines.count ?? 0)
        places[point.key] = chosen.count
        chosen.append(Chosen(piece: piece, ordinal: ordinal, point: point))
        return nil
    }

    private func fits(_ point: ExposedPoint, _ content: ExpositionShelf.Content, instead count: Int) -> Bool {
        point.lines.count <= count || content.lines + added + point.lines.count - count <= rules.maximumSeries
    }

    private struct Refusal: Error { var reason: String }

    private mutating func render(_ batch: Batch, _ ordinal: Int) -> Result<ExposedPoint, Refusal> {
        var lines: [ExposedPoint.Line] = []
        let excluded = encoder.samples(batch, ordinal) { lines.append(ExposedPoint.Line($0, bits: $1)) }
        let time = batch.points.times[ordinal]
        if excluded == .staleMarker {
            var key: [UInt8] = []
            encoder.key(batch, ordinal) { ExpositionEncoder.append($0, to: &key) }
            return .success(ExposedPoint(key: key, time: time, lines: []))
        }
        if let excluded { return .failure(Refusal(reason: excluded.rawValue)) }
        guard let last = lines.last, last.nameCount > 0 else {
            return .failure(Refusal(reason: ExpositionRules.Exclusion.nameless.rawValue))
        }
        return .success(ExposedPoint(key: last.series, time: time, lines: lines))
    }
}

extension ExposedPoint.Line {
    /// - Parameter series: canonical label bytes.
    fileprivate init(_ series: UnsafeRawBufferPointer, bits: UInt64) {
        var text: [UInt8] = []
        ExpositionEncoder.append(series, to: &text)
        self.init(series: text, nameCount: ExpositionEncoder.name(of: series).count, bits: bits)
    }
}
