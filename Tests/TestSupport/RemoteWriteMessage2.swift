import Metrics

/// A remote write 2.0 request as a strict receiver reads it: whatever the specification forbids is an error.
/// <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>
public struct RemoteWriteMessage2: Sendable {
    public struct Sample: Sendable, Equatable {
        public var bits: UInt64 = 0
        public var time: Int64 = 0
        public var start: Int64 = 0
    }
    public struct Histogram: Sendable, Equatable {
        public var schema: Int64 = 0
        public var count: UInt64 = 0
        public var time: Int64 = 0
        public var start: Int64 = 0
    }
    public struct Series: Sendable {
        /// `name=value`, in the order they came.
        public var labels: [String] = []
        public var samples: [Sample] = []
        public var histograms: [Histogram] = []
        /// Labels, value and time, as text.
        public var exemplars: [String] = []
        public var type: UInt64 = 0
        public var help = ""
        public var unit = ""

        public var key: String { labels.joined(separator: ",") }
        /// Of its first label, `__name__`.
        public var name: String { labels.first.map { String($0.dropFirst(9)) } ?? "" }
    }

    public private(set) var symbols: [String] = []
    public private(set) var series: [Series] = []

    public struct Violation: Error, CustomStringConvertible {
        public var description: String
        init(_ what: String) { description = what }
    }

    public init(_ body: [UInt8]) throws {
        var messages: [ProtobufReader] = []
        try body.withUnsafeBytes { bytes in
            try ProtobufField.each(of: ProtobufReader(bytes)) { field in
                switch field.number {
                case 4:
                    // Mimir looks up a text when it meets its number.
                    guard messages.isEmpty else { throw Violation("a symbol behind a series") }
                    symbols.append(field.text)
                case 5: messages.append(try field.message)
                default: throw Violation("field \(field.number) in a request")
                }
            }
            guard symbols.first == "" else { throw Violation("the first symbol is not empty") }
            guard Set(symbols.map { Array($0.utf8) }).count == symbols.count else { throw Violation("a symbol twice") }
            for message in messages { series.append(try readSeries(message)) }
        }
    }

    private func symbol(_ number: UInt64) throws -> String {
        guard number < UInt64(symbols.count) else { throw Violation("no symbol \(number)") }
        return symbols[Int(number)]
    }

    private func labels(_ reader: ProtobufReader, isSeries: Bool) throws -> [String] {
        var numbers: [UInt64] = []
        var reader = reader
        while !reader.isAtEnd { numbers.append(try reader.readVarint()) }
        guard numbers.count % 2 == 0 else { throw Violation("a label without a value") }
        var labels: [String] = []
        var last: [UInt8] = []
        for at in stride(from: 0, to: numbers.count, by: 2) {
            let (name, value) = (try symbol(numbers[at]), try symbol(numbers[at + 1]))
            guard !name.isEmpty, !value.isEmpty else { throw Violation("an empty name or value") }
            guard last.lexicographicallyPrecedes(name.utf8) else {
                throw Violation("\(name) is out of order, or twice")
            }
            last = Array(name.utf8)
            labels.append("\(name)=\(value)")
        }
        if isSeries, labels.first?.hasPrefix("__name__=") != true { throw Violation("a series without a name") }
        return labels
    }

    private func readSeries(_ reader: ProtobufReader) throws -> Series {
        var series = Series()
        try ProtobufField.each(of: reader) { field in
            switch field.number {
            case 1: series.labels = try labels(field.message, isSeries: true)
            case 2: series.samples.append(try Self.sample(field.message))
            case 3: series.histograms.append(try Self.histogram(field.message))
            case 4: series.exemplars.append(try exemplar(field.message))
            case 5:
                try ProtobufField.each(of: field.message) { field in
                    switch field.number {
                    case 1: series.type = field.value
                    case 3: series.help = try symbol(field.value)
                    case 4: series.unit = try symbol(field.value)
                    default: throw Violation("field \(field.number) in metadata")
                    }
                }
            default: throw Violation("field \(field.number) in a series")
            }
        }
        guard series.samples.isEmpty != series.histograms.isEmpty else {
            throw Violation("\(series.key) has samples and histograms, or neither")
        }
        guard series.type < 8 else { throw Violation("type \(series.type)") }
        return series
    }

    private static func sample(_ reader: ProtobufReader) throws -> Sample {
        var sample = Sample()
        try ProtobufField.each(of: reader) { field in
            switch field.number {
            case 1: sample.bits = field.value
            case 2: sample.time = Int64(bitPattern: field.value)
            case 3: sample.start = Int64(bitPattern: field.value)
            default: throw Violation("field \(field.number) in a sample")
            }
        }
        guard sample.start <= sample.time else { throw Violation("a start behind its sample") }
        return sample
    }

    private static func histogram(_ reader: ProtobufReader) throws -> Histogram {
        var histogram = Histogram()
        try ProtobufField.each(of: reader) { field in
            switch field.number {
            case 1, 2: histogram.count = field.value
            case 4: histogram.schema = Varint.unzigzag(field.value)
            case 15: histogram.time = Int64(bitPattern: field.value)
            case 17: histogram.start = Int64(bitPattern: field.value)
            case 3...16: break
            default: throw Violation("field \(field.number) in a histogram")
            }
        }
        return histogram
    }

    private func exemplar(_ reader: ProtobufReader) throws -> String {
        var (labels, bits, time): ([String], UInt64, Int64) = ([], 0, 0)
        try ProtobufField.each(of: reader) { field in
            switch field.number {
            case 1: labels = try self.labels(field.message, isSeries: false)
            case 2: bits = field.value
            case 3: time = Int64(bitPattern: field.value)
            default: throw Violation("field \(field.number) in an exemplar")
            }
        }
        guard time != 0 else { throw Violation("an exemplar without a time") }
        return "\(labels.joined(separator: ",")) \(Double(bitPattern: bits)) @\(time)"
    }
}
