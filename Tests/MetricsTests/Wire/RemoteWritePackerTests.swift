import TestSupport
import Testing

@testable import Metrics

@Suite struct RemoteWritePackerTests {
    private static func labels(_ pairs: [(String, String)]) throws -> [UInt8] {
        var builder = LabelBuilder()
        for (name, value) in pairs { builder.add(name, value) }
        _ = try builder.finish()
        return builder.canonical
    }

    /// What the packer makes of some series, taken apart again, and what the encoder makes of them.
    private static func both(
        _ batch: Batch, _ runs: [Range<Int>], of series: Range<Int>, _ packer: inout RemoteWritePacker
    ) throws -> (packed: [UInt8], block: Int, encoded: [UInt8])? {
        var (block, plain, encoded): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
        guard let packed = packer.append(batch, runs, of: series, into: &block) else {
            #expect(block.isEmpty)
            return nil
        }
        try block.withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 64 << 20) }
        var encoder = RemoteWriteEncoder()
        #expect(encoder.append(batch, runs, of: series, into: &encoded) == packed.points)
        #expect(packed.plainBytes == encoded.count)
        return (plain, block.count, encoded)
    }

    /// Series like those of senders, and unlike them: names of all lengths, labels that are there or not.
    private static func randomLabels(_ index: Int, _ random: inout SeededGenerator) throws -> [UInt8] {
        var pairs = [("__name__", String(repeating: "node_", count: Int(random.next() % 30)) + "x\(random.next() % 7)")]
        pairs.append(("instance", "10.0.0.\(random.next() % 3):9100"))
        for name in ["cpu", "mode", "unit"] where random.next() % 2 == 0 {
            pairs.append((name, String(repeating: "v", count: Int(random.next() % 70)) + "\(random.next() % 3)"))
        }
        return try labels(pairs + [("number", "\(index)")])
    }

    private static func value(_ last: UInt64, _ random: inout SeededGenerator) -> UInt64 {
        switch random.next() % 8 {
        case 0: 0
        case 1: Double(random.next() % 5).bitPattern
        case 2: (Double(bitPattern: last) + 1).bitPattern
        case 3: last ^ 0xff << (random.next() % 57)
        case 4: random.next()
        default: last
        }
    }

    @Test(arguments: 0..<6)
    func `plain bytes are those that the encoder makes of the same points`(round: Int) throws {
        var random = SeededGenerator.fresh()
        var packer = RemoteWritePacker()
        for _ in 0..<20 {
            var batch = Batch()
            let count = Int(random.next() % 40) + 1
            for index in 0..<count {
                try Self.randomLabels(index, &random).withUnsafeBytes { _ = batch.series.intern($0) }
            }
            // Of a few milliseconds after 1970, of today, and beyond all that fits: varints of 1 to 7 bytes.
            let bits = UInt64([1, 9, 20, 41, 42][round % 5])
            let start = Int64(random.next() % (1 << bits) + 1 << (bits - 1)) * 1_000_000
            var values = (0..<count).map { _ in Self.value(0, &random) }
            for scrape in 0..<(round < 3 ? 12 : 200) {
                for id in 0..<count where random.next() % 16 > 0 {
                    values[id] = Self.value(values[id], &random)
                    // Mostly one time a scrape, some of their own, some backwards.
                    let own = random.next() % 16 == 0 ? Int64(random.next() % 5_000_000_000) : 0
                    let time = start + Int64(scrape) * 1_000_000_000 + own
                    batch.points.appendFloat64(series: UInt32(id), time: time, bits: values[id])
                }
            }
            let series = Int(random.next() % UInt64(count))..<count
            let runs = batch.points.series.indices.filter { series.contains(Int(batch.points.series[$0])) }
                .map { $0..<$0 + 1 }
            guard let found = try Self.both(batch, runs, of: series, &packer) else { continue }
            #expect(found.packed == found.encoded, "seed \(random.seed)")
        }
    }

    /// A scrape each second of series that come in the order of an exporter.
    private static func scrapes(_ count: Int, series: Int, constants: Int = 3) throws -> Batch {
        var batch = Batch()
        for id in 0..<series {
            let bytes = try labels([
                ("__name__", "node_network_\(["receive", "transmit"][id % 2])_field\(id / 2 % 9)_total"),
                ("device", "eth\(id / 18)"), ("instance", "10.0.0.17:9100"), ("job", "node"),
            ])
            bytes.withUnsafeBytes { _ = batch.series.intern($0) }
        }
        for scrape in 0..<count {
            for id in 0..<series {
                let moved = id % constants == 0 ? Double(scrape * (id + 7) * 1000) : 0
                batch.points.appendFloat64(
                    series: UInt32(id), time: 1_790_000_000_000_000_000 + Int64(scrape) * 1_000_000_000,
                    bits: (Double(id % 5 * 123_457) + moved).bitPattern)
            }
        }
        return batch
    }

    @Test func `a block is about as small as a general compressor's`() throws {
        var packer = RemoteWritePacker()
        for count in [8, 16, 100] {
            let batch = try Self.scrapes(count, series: 400)
            let all = [0..<batch.points.count]
            let found = try #require(try Self.both(batch, all, of: 0..<400, &packer))
            #expect(found.packed == found.encoded)
            var general: [UInt8] = []
            found.encoded.withUnsafeBytes { Snappy.compress($0, into: &general) }
            #expect(found.block * 100 <= general.count * 120, "\(count) scrapes: \(found.block), \(general.count)")
        }
    }

    @Test func `messages and distances beyond 64 KiB are told as they are`() throws {
        var packer = RemoteWritePacker()
        // Each message alone is longer than a copy reaches back.
        let batch = try Self.scrapes(6000, series: 3, constants: 2)
        let found = try #require(try Self.both(batch, [0..<batch.points.count], of: 0..<3, &packer))
        #expect(found.encoded.count > 200_000)
        #expect(found.packed == found.encoded)
    }

    @Test func `few points a series, and times before 1970, are left to the encoder`() throws {
        var packer = RemoteWritePacker()
        let few = try Self.scrapes(RemoteWritePacker.fewestPoints - 1, series: 20)
        #expect(try Self.both(few, [0..<few.points.count], of: 0..<20, &packer) == nil)
        var old = try Self.scrapes(20, series: 20)
        old.points.appendFloat64(series: 3, time: -1, bits: 1)
        #expect(try Self.both(old, [0..<old.points.count], of: 0..<20, &packer) == nil)
        #expect(try Self.both(old, [0..<old.points.count - 1], of: 0..<20, &packer) != nil)
        #expect(try Self.both(old, [], of: 0..<20, &packer) == nil)
    }

    @Test func `parts of scrapes become the columns that points one by one make`() throws {
        var inStrips = 0
        for _ in 0..<200 {
            var random = SeededGenerator.fresh()
            var batch = Batch()
            let count = Int(random.next() % 300) + 1
            for scrape in 0..<Int(random.next() % 20) + 1 {
                // Some of the series, in pieces, the pieces in any order, now and then a point of another time.
                var cuts = (0..<random.next() % 4).map { _ in Int(random.next() % UInt64(count + 1)) } + [0, count]
                cuts.sort()
                for (from, to) in zip(cuts, cuts.dropFirst()).shuffled(using: &random) where random.next() % 5 > 0 {
                    for id in from..<to {
                        let own = Int64(random.next() % 400 == 0 ? 5_000_000 : 0)
                        batch.points.appendFloat64(
                            series: UInt32(id), time: 1_790_000_000_000_000_000 + Int64(scrape) * 1_000_000_000 + own,
                            bits: Self.value(7, &random))
                    }
                }
            }
            // The series of one request, and what a lease has of them.
            let first = Int(random.next() % UInt64(count))
            let series = first..<min(count, first + 1 + Int(random.next() % 200))
            var runs: [Range<Int>] = []
            for (ordinal, id) in batch.points.series.enumerated() where series.contains(Int(id)) {
                if let last = runs.last, last.upperBound == ordinal {
                    runs[runs.count - 1] = last.lowerBound..<ordinal + 1
                } else {
                    runs.append(ordinal..<ordinal + 1)
                }
            }
            var (columns, expected) = (SeriesColumns(), SeriesColumns())
            expected.begin(runs, batch.points, series)
            let areFilled = (
                expected.fillByCounting(batch.points, runs, series), columns.fill(batch.points, runs, of: series)
            )
            #expect(areFilled == (true, true), "seed \(random.seed)")
            if columns.isOfStrips { inStrips += 1 }
            #expect(columns.ends == expected.ends && columns.sizes == expected.sizes, "seed \(random.seed)")
            #expect(columns.bits == expected.bits && columns.times == expected.times, "seed \(random.seed)")
            #expect(columns.count == expected.count && columns.seriesCount == expected.seriesCount)
        }
        #expect((40..<190).contains(inStrips))
    }
}
