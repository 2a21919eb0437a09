import TestSupport
import Testing

@testable import Metrics

@Suite struct BatchMergeTests {
    @Test(arguments: [false, true])
    func `merged batches hold the points of all, in order, with or without room made first`(hasRoom: Bool) {
        var random = SeededGenerator.fresh()
        let parts = (0..<30).map { part in
            RandomBatch.make(points: part * 3, series: 1 + part * 5, plainOnly: true, using: &random)
        }
        var merged = Batch()
        if hasRoom { merged.reserveCapacity(merging: parts) }
        for part in parts {
            let first = merged.points.count
            #expect(merged.merge(part) == first..<first + part.points.count)
        }
        #expect(ReadablePoint.all(of: merged) == parts.flatMap { ReadablePoint.all(of: $0) }, "seed \(random.seed)")
        var labels = Set<[UInt8]>()
        for id in 0..<merged.series.count {
            merged.series.withLabels(of: UInt32(id)) { bytes in
                #expect(labels.insert(Array(bytes)).inserted, "a series twice; seed \(random.seed)")
                #expect(merged.series.find(bytes, hash: merged.series.hash(of: UInt32(id))) == UInt32(id))
            }
        }
    }

    @Test(arguments: [true, false])
    func `runs of a batch come over with their labels, values and exemplars, and nothing else does`(plainOnly: Bool) {
        var random = SeededGenerator.fresh()
        for _ in 0..<30 {
            let part = RandomBatch.make(points: 80, series: 7, plainOnly: plainOnly, using: &random)
            let wanted = (0..<80).filter { _ in Bool.random(using: &random) }
            var runs: [Range<Int>] = []
            for ordinal in wanted {
                if let last = runs.last, last.upperBound == ordinal {
                    runs[runs.count - 1] = last.lowerBound..<ordinal + 1
                } else {
                    runs.append(ordinal..<ordinal + 1)
                }
            }
            var merged = Batch()
            merged.merge(part, runs: runs)
            // One run after the other, each by itself.
            var expected = Batch()
            for run in runs { expected.merge(part, run) }
            #expect(ReadablePoint.all(of: merged) == ReadablePoint.all(of: expected), "seed \(random.seed)")
            let ofPoints = part.exemplars.filter { $0.ordinal.map { wanted.contains(Int($0)) } ?? false }
            #expect(merged.exemplars.count == ofPoints.count, "seed \(random.seed)")
        }
    }

    @Test func `many small merges reallocate rarely`() {
        var random = SeededGenerator.fresh()
        let part = RandomBatch.make(points: 10, series: 3, plainOnly: true, using: &random)
        var merged = Batch()
        var capacities: Set<Int> = []
        for _ in 0..<1000 {
            merged.merge(part)
            capacities.insert(merged.points.times.capacity)
        }
        #expect(merged.points.count == 10_000)
        #expect(capacities.count < 20)
    }

    @Test func `an emptied table finds nothing, whatever its size was, and is filled again`() {
        var table = SeriesTable()
        for count in [20_000, 3, 20_000, 100, 0, 5] {
            for number in 0..<count {
                let labels = RemoteWriteMessage.label("__name__", "m\(number)")
                let id = labels.withUnsafeBytes { table.intern($0) }
                #expect(id == UInt32(number))
            }
            #expect(table.count == count)
            table.removeAll()
            let labels = RemoteWriteMessage.label("__name__", "m0")
            labels.withUnsafeBytes { #expect(table.find($0, hash: SeriesTable.hash($0)) == nil) }
        }
    }
}
