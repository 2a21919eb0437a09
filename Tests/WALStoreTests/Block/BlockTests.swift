import Metrics
import TestSupport
import Testing

@testable import WALStore

struct BlockTests {
    private func origins(_ batch: Batch) -> [OriginRun] {
        batch.points.count == 0 ? [] : [OriginRun(sequence: 42, firstOrdinal: 0, count: batch.points.count)]
    }

    private func decode(_ bytes: [UInt8]) throws -> DecodedBlock {
        try bytes.withUnsafeBytes { try Block.decode($0) }
    }

    @Test func `a block gives back the batch it was made of, to the bit`() throws {
        let workspace = BlockWorkspace()
        for _ in 0..<60 {
            var random = SeededGenerator.fresh()
            let batch = RandomBatch.make(
                points: Int(random.next() % 400), series: Int(random.next() % 60), plainOnly: random.next() % 3 == 0,
                using: &random)
            let block = Block.encode(batch, origins: origins(batch), workspace: workspace)
            let decoded = try decode(block)
            #expect(decoded.batch == batch, "seed \(random.seed)")
            #expect(decoded.origins == origins(batch), "seed \(random.seed)")
        }
    }

    @Test func `what is known of the names is kept, and nothing is known of others`() throws {
        for name in ["up", "http.up"] {
            var decoder = RemoteWriteDecoder()
            var request = DecodedRequest()
            let message =
                [0x0A, UInt8(name.utf8.count + 27), 0x0A, UInt8(name.utf8.count + 12), 0x0A, 8]
                + Array("__name__".utf8) + [0x12, UInt8(name.utf8.count)] + Array(name.utf8)
                + [0x12, 11, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1]
            try message.withUnsafeBytes { try decoder.decode($0, into: &request) }
            let origins = [OriginRun(sequence: 1, firstOrdinal: 0, count: 1)]
            let block = Block.encode(request.batch, origins: origins, workspace: BlockWorkspace())
            #expect(try decode(block).batch.series.hasPrometheusNames == (name == "up"))
        }
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 3, series: 2, plainOnly: true, using: &random)
        let block = Block.encode(batch, origins: origins(batch), workspace: BlockWorkspace())
        #expect(try !decode(block).batch.series.hasPrometheusNames)
    }

    @Test func `a block without points keeps its metadata`() throws {
        var batch = Batch()
        batch.metadata.append(MetricMetadata(family: "up", kind: .gauge, help: "1 when the target answered"))
        let block = Block.encode(batch, origins: [], workspace: BlockWorkspace())
        #expect(try decode(block).batch == batch)
    }

    @Test func `origins of a repacked block come back run by run`() throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 30, series: 5, using: &random)
        let runs = [
            OriginRun(sequence: 7, firstOrdinal: 0, count: 10), OriginRun(sequence: 8, firstOrdinal: 4, count: 5),
            OriginRun(sequence: 100, firstOrdinal: 0, count: 15),
        ]
        let block = Block.encode(batch, origins: runs, workspace: BlockWorkspace())
        #expect(try decode(block).origins == runs, "seed \(random.seed)")
    }

    @Test func `the points of some series are those that the columns have of them, also of a forged block`() throws {
        let workspace = BlockWorkspace()
        var (whole, broken) = (0, 0)
        for round in 0..<400 {
            var random = SeededGenerator.fresh()
            let count = Int.random(in: 1...40, using: &random)
            let batch = RandomBatch.make(
                points: Int.random(in: 0...400, using: &random), series: count, plainOnly: true, using: &random)
            var block = Block.encode(batch, origins: origins(batch), workspace: workspace)
            for _ in 0..<(round % 2 == 0 ? 0 : 3) {
                block[10 + Int(random.next() % UInt64(block.count - 18))] = UInt8(truncatingIfNeeded: random.next())
            }
            BlockForgery.seal(&block)
            block.withUnsafeBytes { bytes in
                guard let sections = try? BlockSections(bytes) else { return }
                let decoder = BlockDecoder(sections: sections, bases: [])
                let series = batch.series.count
                let wanted = (0..<series).filter { _ in random.next() % 5 == 0 }
                let columns = Result { () throws(SpoolError) in
                    let ids = try decoder.pointSeries(series: series)
                    let isWhole = sections.flags.contains(.millisecondTimes)
                    return (ids, try decoder.times(.times, count: ids.count, milliseconds: isWhole))
                }
                let found = Result { () throws(SpoolError) in
                    var (chosen, points) = try decoder.points(of: wanted, series: series)
                    try decoder.readTimes(of: &chosen, count: points)
                    return (chosen, points)
                }
                switch (columns, found) {
                case (.success((let ids, let times)), .success((let chosen, let points))):
                    let expected = ids.indices.filter { wanted.contains(Int(ids[$0])) }.map {
                        ChosenPoint(ordinal: $0, series: ids[$0], time: times[$0])
                    }
                    #expect(chosen == expected && points == ids.count, "seed \(random.seed)")
                    whole += 1
                case (.failure, .failure): broken += 1
                default: Issue.record("one of both reads a block that the other does not, seed \(random.seed)")
                }
            }
        }
        #expect(whole > 200 && broken > 0)
    }

    @Test func `a flipped bit anywhere makes a block unreadable`() {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 40, series: 6, using: &random)
        let block = Block.encode(batch, origins: origins(batch), workspace: BlockWorkspace())
        for at in block.indices {
            var damaged = block
            damaged[at] ^= 1 << UInt8(random.next() % 8)
            let failure = #expect(throws: SpoolError.self, "byte \(at), seed \(random.seed)") { try decode(damaged) }
            #expect(failure?.code == .unreadable, "byte \(at), seed \(random.seed)")
        }
    }

    @Test func `a block cut anywhere is unreadable`() {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 40, series: 6, using: &random)
        let block = Block.encode(batch, origins: origins(batch), workspace: BlockWorkspace())
        for length in 0..<block.count {
            #expect(throws: SpoolError.self, "length \(length)") { try decode(Array(block.prefix(length))) }
        }
    }

    /// The checksum keeps chance out, not a person: with it made right again, every damage must still end in an error
    /// or in some batch, never in a trap.
    @Test func `a forged block ends in an error or a batch, whatever its bytes say`() {
        var random = SeededGenerator.fresh()
        let workspace = BlockWorkspace()
        for _ in 0..<3000 {
            let batch = RandomBatch.make(
                points: Int(random.next() % 30), series: 4, plainOnly: random.next() % 2 == 0, using: &random)
            var block = Block.encode(batch, origins: origins(batch), workspace: workspace)
            for _ in 0...Int(random.next() % 4) {
                block[10 + Int(random.next() % UInt64(block.count - 18))] = UInt8(truncatingIfNeeded: random.next())
            }
            BlockForgery.seal(&block)
            if let decoded = try? decode(block) {
                // What decodes must be walkable by everything downstream.
                let again = Block.encode(decoded.batch, origins: decoded.origins, workspace: workspace)
                #expect((try? decode(again)) == decoded, "seed \(random.seed)")
            }
        }
    }

    @Test func `a later version and a sealed block are told apart from rot`() {
        var later = Block.encode(Batch(), origins: [], workspace: BlockWorkspace())
        later[4] = 3
        BlockForgery.seal(&later)
        #expect(#expect(throws: SpoolError.self) { try decode(later) }?.code == .incompatible)
        var sealed = Block.encode(Batch(), origins: [], workspace: BlockWorkspace())
        sealed[6] = 1
        BlockForgery.seal(&sealed)
        #expect(#expect(throws: SpoolError.self) { try decode(sealed) }?.code == .incompatible)
    }

    @Test func `labels that would expand beyond the limit are refused before memory is taken`() {
        let forged = BlockForgery.expandingLabels()
        #expect(#expect(throws: SpoolError.self) { try decode(forged) }?.code == .unreadable)
    }

    @Test func `every double comes back from its decimal, or is not written as one`() {
        var random = SeededGenerator.fresh()
        for _ in 0..<200_000 {
            let bits = RandomBatch.floatBits(using: &random)
            for scale in 0..<ValueScale.count {
                if let integer = ValuePredictor.integer(for: bits, scale: scale) {
                    #expect(ValuePredictor.bits(of: integer, scale: scale) == bits, "seed \(random.seed)")
                }
            }
        }
    }

    /// What exporters compute: a decimal as a parser reads it, and parts of a second turned into seconds by a factor, or in
    /// two steps. None of them may cost as much as noise.
    @Test func `a number of seconds is a small step, whatever made it of a whole number`() throws {
        let forms: [(name: String, value: (Double) -> Double)] = [
            ("hundredths", { $0 / 100 }), ("nanoseconds", { $0 / 1_000_000_000 }), ("by a factor", { $0 * 0.001 }),
            ("micro, by a factor", { $0 * 0.000_001 }), ("nano, by a factor", { $0 * 0.000_000_001 }),
            ("in two steps", { $0 / 1000 / 1000 }),
        ]
        for form in forms {
            var batch = Make.batch(0..<0, labels: "seconds")
            // 238605 by a factor is 238.60500000000002, which is no decimal of nine places.
            for step in 0..<1000 {
                batch.points.appendFloat64(
                    series: 0, time: Int64(step), bits: form.value(Double(238_605 + step * 7)).bitPattern)
            }
            let block = Block.encode(batch, origins: OriginRun.fresh(1, points: 1000), workspace: BlockWorkspace())
            #expect(try decode(block).batch == batch, "\(form.name)")
            #expect(block.count < 400, "\(form.name): \(block.count) bytes")
        }
    }
}
