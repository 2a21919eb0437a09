import Metrics

/// Remote-write requests, encoded before the clock starts, so that sending them costs next to nothing.
///
/// 2,000 samples of generated series are about 45 kB of snappy.
struct LoadGenerator {
    private let series: [GeneratedSeries]
    private var values: [Double]
    private var random: BenchRandom
    private let samplesPerRequest: Int

    init(series count: Int, samplesPerRequest: Int, seed: UInt64 = 1) {
        random = BenchRandom(seed: seed)
        series = GeneratedSeries.make(count, random: &random)
        self.samplesPerRequest = samplesPerRequest
        values = series.map { entry in
            switch entry.motion {
            case .constant(let value), .counter(let value, _), .gauge(let value, _): value
            case .seconds(let start, _, _): start
            case .parts, .noise: 0
            }
        }
    }

    /// The request bodies of one scrape, in order.
    mutating func scrape(time milliseconds: Int64) -> [[UInt8]] {
        var bodies: [[UInt8]] = []
        var plain: [UInt8] = []
        var packed: [UInt8] = []
        var start = 0
        while start < series.count {
            let end = min(start + samplesPerRequest, series.count)
            plain.removeAll(keepingCapacity: true)
            for index in start..<end { append(index, milliseconds, to: &plain) }
            packed.removeAll(keepingCapacity: true)
            plain.withUnsafeBytes { Snappy.compress($0, into: &packed) }
            // A copy of the right size: the compressor's room is many times as large.
            bodies.append([UInt8](packed[...]))
            start = end
        }
        return bodies
    }

    private mutating func append(_ index: Int, _ milliseconds: Int64, to plain: inout [UInt8]) {
        let labels = series[index].labels
        let time = UInt64(bitPattern: milliseconds)
        let sampleBytes = 9 + 1 + Varint.length(time)
        plain.append(0x0A)
        Varint.append(UInt64(labels.count + 2 + sampleBytes), to: &plain)
        plain.append(contentsOf: labels)
        plain.append(0x12)
        plain.append(UInt8(sampleBytes))
        plain.append(0x09)
        withUnsafeBytes(of: move(index).bitPattern.littleEndian) { plain.append(contentsOf: $0) }
        plain.append(0x10)
        Varint.append(time, to: &plain)
    }

    private mutating func move(_ index: Int) -> Double {
        switch series[index].motion {
        case .constant(let value): return value
        case .counter(_, let step): values[index] += Double(random.next() % (2 * step))
        case .gauge(let base, let spread): values[index] = base + Double(random.next() % spread)
        case .seconds(_, let step, let unit):
            values[index] += Double(random.next() % (2 * step))
            return unit.value(values[index])
        case .parts(let base, let spread, let unit): return unit.value(Double(base + random.next() % spread))
        case .noise: return Double(random.next() >> 11) * 0x1p-53 * 90
        }
        return values[index]
    }
}
