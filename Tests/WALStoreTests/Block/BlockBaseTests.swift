import Metrics
import TestSupport
import Testing

@testable import WALStore

/// Blocks that name their series by bases.
struct BlockBaseTests {
    private let workspace = BlockWorkspace()

    private func origins(_ batch: Batch) -> [OriginRun] { OriginRun.fresh(7, points: batch.points.count) }

    /// Bases with some of the batch's series each, under other numbers than there, and where the batch's series are in them.
    private func bases(of batch: Batch, _ count: Int, using random: inout SeededGenerator) throws -> BaseNames {
        var names = BaseNames()
        names.ids = Array(repeating: BaseNames.own, count: batch.series.count)
        var first: UInt32 = 0
        for number in 0..<count {
            var content = Batch()
            for id in (0..<UInt32(batch.series.count)).shuffled(using: &random) where random.next() % 3 == 0 {
                names.ids[Int(id)] = first + UInt32(content.series.count)
                content.series.append(batch.series, Int(id)..<Int(id) + 1)
                let bits = random.next() % 2 == 0 ? RandomBatch.floatBits(using: &random) : random.next()
                let kind: PointKind = random.next() % 4 == 0 ? .int64 : .float64
                if random.next() % 5 > 0 {
                    content.points.append(
                        series: UInt32(content.series.count) - 1, time: 0, kind: kind, bits: bits)
                }
            }
            let block = Block.encode(content, origins: origins(content), workspace: workspace)
            let base = try block.withUnsafeBytes { try BlockBase(id: Int64(number) * 1000 - 5, block: $0) }
            #expect(base.series == content.series)
            names.bases.append(base)
            first += UInt32(content.series.count)
        }
        return names
    }

    private func decode(_ block: [UInt8], _ bases: [BlockBase]) throws -> DecodedBlock {
        try block.withUnsafeBytes { bytes in
            try Block.decode(bytes) { (id, checksum) throws(SpoolError) in
                guard let base = bases.first(where: { $0.id == id && $0.checksum == checksum }) else {
                    throw SpoolError(.unreadable, "no such base")
                }
                return base
            }
        }
    }

    @Test func `a block that stands on bases gives back the batch it was made of, to the bit`() throws {
        for _ in 0..<300 {
            var random = SeededGenerator.fresh()
            let batch = RandomBatch.make(
                points: Int(random.next() % 300), series: Int(random.next() % 60), plainOnly: true, using: &random)
            let names = try bases(of: batch, Int(random.next() % 17), using: &random)
            let block = Block.encode(batch, origins: origins(batch), names: names, workspace: workspace)
            let decoded = try decode(block, names.bases)
            #expect(decoded.batch == batch, "seed \(random.seed)")
            #expect(decoded.origins == origins(batch), "seed \(random.seed)")
            #expect(decoded.batch.series.hasPrometheusNames == batch.series.hasPrometheusNames)
            // Whoever has no bases is told so, and of no rot where there is none.
            if !names.bases.isEmpty {
                let failure = #expect(throws: SpoolError.self) { try block.withUnsafeBytes { try Block.decode($0) } }
                #expect(failure?.code == .unreadable)
            }
        }
    }

    @Test func `labels that a base says are not said again`() throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 2000, series: 500, plainOnly: true, using: &random)
        var content = Batch()
        content.series.append(batch.series, 0..<batch.series.count)
        let said = Block.encode(content, origins: [], workspace: workspace)
        let base = try said.withUnsafeBytes { try BlockBase(id: 1, block: $0) }
        let names = BaseNames(bases: [base], ids: (0..<UInt32(batch.series.count)).map { $0 })
        let alone = Block.encode(batch, origins: origins(batch), workspace: workspace)
        let standing = Block.encode(batch, origins: origins(batch), names: names, workspace: workspace)
        #expect(alone.count - standing.count > said.count * 9 / 10, "\(alone.count) \(standing.count) \(said.count)")
    }

    @Test func `a forged block that stands on bases ends in an error or a batch, whatever its bytes say`() throws {
        var random = SeededGenerator.fresh()
        var decodedCount = 0
        for _ in 0..<3000 {
            let batch = RandomBatch.make(points: Int(random.next() % 30), series: 6, plainOnly: true, using: &random)
            let names = try bases(of: batch, Int(random.next() % 3), using: &random)
            var block = Block.encode(batch, origins: origins(batch), names: names, workspace: workspace)
            for _ in 0...Int(random.next() % 3) {
                block[10 + Int(random.next() % UInt64(block.count - 18))] = UInt8(truncatingIfNeeded: random.next())
            }
            BlockForgery.seal(&block)
            guard let decoded = try? decode(block, names.bases) else { continue }
            decodedCount += 1
            let again = Block.encode(decoded.batch, origins: decoded.origins, workspace: workspace)
            #expect((try? decode(again, [])) == decoded, "seed \(random.seed)")
        }
        #expect(decodedCount > 0)
    }

    @Test func `a series that is said again and again is refused before its labels take memory`() throws {
        var content = Batch()
        var builder = LabelBuilder()
        builder.add("__name__", String(repeating: "m", count: 200))
        try builder.finish()
        _ = builder.canonical.withUnsafeBytes { content.series.intern($0) }
        let said = Block.encode(content, origins: [], workspace: workspace)
        let base = try said.withUnsafeBytes { try BlockBase(id: 1, block: $0) }
        let forged = BlockForgery.standing(on: base, series: 1 << 20)
        #expect(#expect(throws: SpoolError.self) { try decode(forged, [base]) }?.code == .unreadable)
    }

    @Test func `a base that stands on another is none`() throws {
        let empty = Block.encode(Batch(), origins: [], names: BaseNames(), workspace: workspace)
        #expect(throws: SpoolError.self) { try empty.withUnsafeBytes { try BlockBase(id: 1, block: $0) } }
    }
}
