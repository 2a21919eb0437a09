import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

struct SeriesShardTests {
    @Test(arguments: 0..<50)
    func `each point is in one shard, each series too, in the order of its points`(_ run: Int) throws {
        var random = SeededGenerator.fresh()
        let series = Int.random(in: 1...60, using: &random)
        let batch = RandomBatch.make(
            points: Int.random(in: 1...1000, using: &random), series: series, plainOnly: true, using: &random)
        let lease = lease(of: batch, using: &random)
        let limit = Int.random(in: 1...200, using: &random)
        let shards = SeriesShard.divide(lease, points: limit, for: backend())
        let found = shards.flatMap(\.runs).flatMap { run in run.ordinals.map { $0 } }
        #expect(found.sorted() == lease.pieces.flatMap { Array($0.ordinals) }, "seed \(random.seed)")
        var seen: Set<UInt32> = []
        for shard in shards {
            let ordinals = shard.runs.flatMap { Array($0.ordinals) }
            #expect(ordinals == ordinals.sorted(), "seed \(random.seed)")
            let ids = Set(ordinals.map { batch.points.series[$0] })
            #expect(seen.isDisjoint(with: ids), "seed \(random.seed)")
            seen.formUnion(ids)
            #expect(ordinals.count <= limit || ids.count == 1 || shard.series == nil, "seed \(random.seed)")
            if let series = shard.series { #expect(ids.allSatisfy { series.contains(Int($0)) }, "seed \(random.seed)") }
            for run in shard.runs {
                #expect(run.ordinals.clamped(to: lease.pieces[run.piece].ordinals) == run.ordinals)
            }
        }
    }

    @Test func `scrapes that come in the same order are one run each in a shard`() {
        var random = SeededGenerator.fresh()
        var batch = RandomBatch.make(points: 0, series: 100, plainOnly: true, using: &random)
        for time in 0..<20 {
            for id in 0..<UInt32(batch.series.count) {
                batch.points.appendFloat64(series: id, time: Int64(time), bits: 1)
            }
        }
        let piece = LeasedPiece(
            places: PlaceRange(sequence: 1, ordinals: 0..<2000), batch: batch, ordinals: 0..<2000, maybeSent: false)
        let lease = Lease(id: LeaseID(life: 1, number: 1), backend: "central", lane: .live, pieces: [piece])
        let shards = SeriesShard.divide(lease, points: 500, for: backend())
        #expect(shards.map(\.series) == [0..<25, 25..<50, 50..<75, 75..<100])
        #expect(shards.allSatisfy { $0.runs.count == 20 })
    }

    @Test func `what the backend may take for one series, and what fits one request, is not divided`() {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 300, series: 9, plainOnly: true, using: &random)
        let lease = lease(of: batch, using: &random)
        var other = backend()
        other.keepsApart = false
        let all = lease.pieces.indices.map { LeasedRun(piece: $0, ordinals: lease.pieces[$0].ordinals) }
        #expect(SeriesShard.divide(lease, points: 1, for: other) == [SeriesShard(runs: all)])
        #expect(SeriesShard.divide(lease, points: lease.points, for: backend()) == [SeriesShard(runs: all)])
    }

    private func backend() -> LineBackend {
        var backend = LineBackend(url: "")
        backend.keepsApart = true
        return backend
    }

    /// Pieces of one batch, with gaps between them, and an empty one.
    private func lease(of batch: Batch, using random: inout SeededGenerator) -> Lease {
        var pieces: [LeasedPiece] = []
        var at = 0
        while at < batch.points.count {
            let start = min(batch.points.count, at + Int(random.next() % 3))
            let end = min(batch.points.count, start + Int(random.next() % 200))
            pieces.append(
                LeasedPiece(
                    places: PlaceRange(sequence: Int64(pieces.count + 1), ordinals: 0..<end - start), batch: batch,
                    ordinals: start..<end, maybeSent: false))
            at = end
        }
        return Lease(id: LeaseID(life: 1, number: 1), backend: "central", lane: .live, pieces: pieces)
    }
}
