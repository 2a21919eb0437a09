import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Rows on their way to one batch, some of them as columns whose series are in bases.
struct RowMergerTests {
    private let workspace = BlockWorkspace()

    private func labels(_ batch: Batch, _ ordinal: Int) -> [UInt8] {
        batch.series.withLabels(of: batch.points.series[ordinal]) { Array($0) }
    }

    /// Bases with some of the series of a batch each.
    private func bases(_ batch: Batch, using random: inout SeededGenerator) throws -> [BlockBase] {
        try (0..<random.next() % 4).map { number in
            var content = Batch()
            for id in 0..<batch.series.count where random.next() % 2 == 0 {
                content.series.append(batch.series, id..<id + 1)
            }
            let block = Block.encode(content, origins: [], workspace: workspace)
            return try block.withUnsafeBytes { try BlockBase(id: Int64(number) + 1, block: $0) }
        }
    }

    /// As a reader gives it.
    private func content(_ block: [UInt8], _ bases: [BlockBase], asColumns: Bool) throws -> RowContent {
        try block.withUnsafeBytes { bytes in
            let sections = try BlockSections(bytes)
            let named = try sections.bases { (id, _) throws(SpoolError) in bases[Int(id) - 1] }
            let decoder = BlockDecoder(sections: sections, bases: named)
            if asColumns, let columns = try decoder.decodeColumns() { return .columns(columns) }
            var predictors: [ValuePredictor] = []
            return .block(try decoder.decode(&predictors))
        }
    }

    @Test func `rows added by the numbers of their series become the batch that their labels make`() throws {
        var columns = 0
        for _ in 0..<300 {
            var random = SeededGenerator.fresh()
            let bases = try bases(
                RandomBatch.make(points: 0, series: 40, plainOnly: true, using: &random), using: &random)
            var index = BaseIndex()
            for base in bases { _ = index.add(base) }
            var (kept, spare) = (MergedSeries(), Batch())
            for _ in 0..<3 {
                let merger = try merge(into: spare, kept, bases, index, &columns, using: &random)
                // As it goes on, with what is known from before.
                if merger.batch.series.isPlain, merger.batch.series.hasPrometheusNames { kept = merger.series }
                spare = merger.batch
                spare.removeAll()
            }
        }
        #expect(columns > 300)
    }

    /// - Returns: a merger that has made what their labels make.
    private func merge(
        into empty: Batch, _ kept: MergedSeries, _ bases: [BlockBase], _ index: BaseIndex, _ columns: inout Int,
        using random: inout SeededGenerator
    ) throws -> RowMerger {
        var (merger, expected) = (RowMerger(into: empty, kept), Batch())
        for _ in 0...random.next() % 6 {
            let batch = RandomBatch.make(
                points: Int(random.next() % 100), series: 1 + Int(random.next() % 50),
                plainOnly: random.next() % 12 > 0, using: &random)
            var found: [BaseIndex.Entry] = []
            index.lookUp(batch.series, into: &found)
            let names = batch.series.isPlain ? index.names(of: found)?.names : nil
            let origins = OriginRun.fresh(7, points: batch.points.count)
            let block = Block.encode(batch, origins: origins, names: names, workspace: workspace)
            let first = Int(random.next() % UInt64(batch.points.count + 1))
            let range = first..<first + Int(random.next() % UInt64(batch.points.count - first + 1))
            let content = try content(block, bases, asColumns: merger.takesColumns)
            if case .columns = content { columns += 1 }
            #expect(content.origins == origins && content.points == batch.points.count)
            #expect(merger.add(content, range) == expected.merge(batch, range), "seed \(random.seed)")
        }
        let merged = merger.batch
        #expect(merged.points.times == expected.points.times && merged.points.bits == expected.points.bits)
        #expect(merged.points.kinds == expected.points.kinds, "seed \(random.seed)")
        for ordinal in 0..<merged.points.count {
            #expect(labels(merged, ordinal) == labels(expected, ordinal), "seed \(random.seed)")
            let (id, other) = (merged.points.series[ordinal], expected.points.series[ordinal])
            // The same series is one series.
            #expect(merged.points.series.firstIndex(of: id) == expected.points.series.firstIndex(of: other))
        }
        #expect(!merged.series.hasPrometheusNames || expected.series.hasPrometheusNames)
        return merger
    }
}
