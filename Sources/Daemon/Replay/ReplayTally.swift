import Forwarder
import Metrics
import WALStore

/// What a replay would send, counted and encoded as it would be, and sent to nobody.
struct ReplayTally: Sendable {
    private let route: DeliveryRoute
    private var counts = ReplayCounts()
    private var span: (points: Int64, passed: Int64) = (0, 0)
    private var series: Set<UInt64> = []
    private var requests: Int64 = 0
    private var bytes: Int64 = 0
    private var times: ClosedRange<Int64>?
    private var isWhole = false

    /// Series that are told apart; more are not counted.
    private static let maximumSeries = 2_000_000

    init(_ route: DeliveryRoute) { self.route = route }

    /// - Parameter seconds: it ends after so long, with what was found until then.
    mutating func look(at order: ReplayOrder, in store: WALStore, seconds: Int) async throws(SpoolError) {
        let deadline = ContinuousClock.now + .seconds(seconds)
        let limit = max(1, min(route.backend.traits.maximumPoints, order.pointsPerSecond ?? .max))
        var preview = try await store.withSpool(route.tenant) { (spool) async throws(SpoolError) in
            try await spool.previewReplay(order)
        }
        while !preview.isWhole, ContinuousClock.now < deadline {
            let before = preview
            preview = try await store.withSpool(route.tenant) { (spool) async throws(SpoolError) in
                try await spool.advance(before, limit: limit)
            }
            add(preview.pieces)
        }
        (counts, span, isWhole) = (preview.job.counts, preview.job.span, preview.isWhole)
    }

    private mutating func add(_ pieces: [LeasedPiece]) {
        guard !pieces.isEmpty else { return }
        let (chunk, keptBack) = route.chunk(pieces)
        unsent += Int64(keptBack)
        guard chunk.points > 0 else { return }
        var request = EncodedRequest()
        route.backend.encode(chunk, into: &request)
        requests += 1
        bytes += Int64(request.body.count)
        let excluded = request.excluded.reduce(0) { $0 + Int64($1.run.ordinals.count) }
        unsent += excluded
        for run in chunk.runs {
            let piece = chunk.pieces[run.piece]
            for ordinal in run.ordinals {
                let time = piece.batch.points.times[ordinal]
                times = times.map { min($0.lowerBound, time)...max($0.upperBound, time) } ?? time...time
                guard series.count < ReplayTally.maximumSeries else { continue }
                series.insert(ReplayTally.mark(of: piece.batch.points.series[ordinal], in: piece.batch))
            }
        }
    }

    private static func mark(of id: UInt32, in batch: Batch) -> UInt64 {
        let hash = batch.series.hash(of: id)
        // The fields of one line are series of their own.
        return batch.series.identity(of: id).field == 0
            ? hash : hash ^ UInt64(truncatingIfNeeded: batch.field(of: id).hashValue)
    }

    /// Found, and kept back by rules or not representable by the backend.
    private var unsent: Int64 = 0

    var json: JSONValue {
        .map([
            "dry_run": .bool(true), "backend": .string(route.name), "is_whole": .bool(isWhole),
            "points": .int(counts.pending - unsent), "series": .int(Int64(series.count)),
            "requests": .int(requests), "bytes": .int(bytes),
            "excluded_points": .int(counts.excluded + unsent), "lost_points": .int(counts.lost),
            "span_points": .int(span.points), "passed_points": .int(span.passed),
            "oldest": times.map { .string(RFC3339.format($0.lowerBound)) },
            "newest": times.map { .string(RFC3339.format($0.upperBound)) },
            "old_points": .string(route.backend.oldPoints),
        ])
    }
}
