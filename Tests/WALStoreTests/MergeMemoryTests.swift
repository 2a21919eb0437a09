import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What merges of rows leave for the next ones.
struct MergeMemoryTests {
    private let memory = MergeMemory()

    private func block(series: Range<Int>, hasPrometheusNames: Bool = true) throws -> RowContent {
        var batch = Batch()
        for number in series {
            var builder = LabelBuilder()
            builder.add("__name__", "up")
            builder.add("instance", "\(number)")
            _ = try builder.finish()
            builder.canonical.withUnsafeBytes { labels in
                let id = batch.series.insert(
                    labels, hash: SeriesTable.hash(labels), hasPrometheusNames: hasPrometheusNames)
                batch.points.appendFloat64(series: id, time: 1, bits: 2)
            }
        }
        return .block(DecodedBlock(batch: batch, origins: OriginRun.fresh(1, points: batch.points.count)))
    }

    /// Merges some rows and gives back what is left of it.
    @discardableResult
    private func merge(_ rows: [RowContent], of spool: UInt64 = 1) -> Batch {
        var merger = memory.take(spool, points: rows.reduce(0) { $0 + $1.points })
        for row in rows { _ = merger.add(row, 0..<row.points) }
        memory.give(merger.series, of: spool)
        return merger.batch
    }

    private func known(_ spool: UInt64 = 1, points: Int = 1000) -> Int {
        memory.take(spool, points: points).batch.series.count
    }

    @Test func `a merge begins with the series of the last one of its spool, and of no other`() throws {
        merge([try block(series: 0..<30), try block(series: 20..<50)])
        #expect(known(2) == 0)
        let next = merge([try block(series: 10..<60)])
        #expect(next.series.count == 60 && next.points.count == 50)
        // In the order that they had, which is that of the first.
        #expect(next.points.series == Array(10..<60))
        #expect(known() == 60)
        // Whoever has it has it alone.
        #expect(known() == 0)
    }

    @Test func `a table of more series than points are merged is not used`() throws {
        merge([try block(series: 0..<50)])
        #expect(known(points: 49) == 0)
        merge([try block(series: 0..<50)])
        #expect(known(points: 50) == 50)
    }

    @Test func `a table that would leave a lease little room for points is not used`() throws {
        let large = try merge([block(series: 0..<200_000)])
        #expect(large.series.allocatedBytes > LeaseLimit.mergedBytes / 2)
        #expect(known(points: 200_000) == 0)
    }

    @Test func `names that a backend may not take are not passed on to rows without them`() throws {
        #expect(!merge([try block(series: 0..<10, hasPrometheusNames: false)]).series.hasPrometheusNames)
        #expect(merge([try block(series: 20..<40)]).series.hasPrometheusNames)
    }

    @Test func `of many spools those that merged last are remembered`() throws {
        for spool in 1...5 as ClosedRange<UInt64> { merge([try block(series: 0..<10)], of: spool) }
        #expect([1, 2, 3, 4, 5].map { known($0) } == [0, 0, 0, 10, 10])
    }

    @Test func `columns come back empty and with their room`() throws {
        let lease = merge([try block(series: 0..<100)])
        for _ in 0..<3 { memory.give(columnsOf: lease) }
        let merger = memory.take(1, points: 100)
        #expect(merger.batch.points.isEmpty && merger.batch.points.series.capacity >= 100)
        // The lease keeps what it has.
        #expect(lease.points.count == 100 && lease.series.count == 100)
        let larger = memory.take(1, points: 5000)
        #expect(larger.batch.points.isEmpty && larger.batch.points.series.capacity >= 5000)
    }

    @Test func `when nothing is merged for some time all is given back`() throws {
        merge([try block(series: 0..<10)])
        for _ in 0..<9 { memory.look() }
        #expect(known() == 10)
        merge([try block(series: 0..<10)])
        for _ in 0..<9 { memory.look() }
        merge([try block(series: 0..<10)])
        for _ in 0..<10 { memory.look() }
        #expect(known() == 0)
    }
}

extension PointColumns {
    fileprivate var isEmpty: Bool { count == 0 }
}
