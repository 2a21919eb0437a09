import Metrics

/// An OTLP request as a receiver reads it, point by point; made without the encoder's own tables.
public struct OTLPMessage: Sendable {
    public struct Point: Sendable, Equatable {
        public var resource: [String] = []
        public var scope = ""
        public var metric = ""
        public var unit = ""
        /// `gauge`, `sum`, `histogram`, `exponential`, `summary`
        public var data = ""
        public var temporality: UInt64 = 0
        public var isMonotonic = false
        /// `key=value`, in the order they came.
        public var attributes: [String] = []
        public var start: UInt64 = 0
        public var time: UInt64 = 0
        public var doubleBits: UInt64?
        public var integer: Int64?
        public var count: UInt64?
        public var sumBits: UInt64?
        public var bounds: [Double] = []
        public var buckets: [UInt64] = []
        public var scale: Int64?
        public var zeroCount: UInt64 = 0
        public var positive = Side()
        public var negative = Side()
        public var quantiles: [Double] = []
        public var exemplars: [String] = []
        public var flags: UInt64 = 0
        public init() {}
    }
    public struct Side: Sendable, Equatable {
        public var offset: Int64 = 0
        public var counts: [UInt64] = []
        public init(offset: Int64 = 0, counts: [UInt64] = []) {
            self.offset = offset
            self.counts = counts
        }
    }

    public var points: [Point] = []
    /// How often each message comes: what belongs together is to be in one.
    public var resources = 0
    public var scopes = 0
    public var metrics = 0

    public init(_ body: [UInt8]) throws {
        try body.withUnsafeBytes { bytes in
            try Self.fields(ProtobufReader(bytes)) { field, value in
                guard field == 1 else { return }
                resources += 1
                try addResource(try value.message)
            }
        }
    }

    // MARK: Messages

    private mutating func addResource(_ reader: ProtobufReader) throws {
        var point = Point()
        var scopes: [ProtobufReader] = []
        try Self.fields(reader) { field, value in
            switch field {
            case 1:
                try Self.fields(value.message) { field, value in
                    if field == 1 { point.resource.append(try Self.attribute(value.message)) }
                }
            case 2: scopes.append(try value.message)
            case 3: point.resource.append("schema=\(value.text)")
            default: throw Unexpected(field: field)
            }
        }
        self.scopes += scopes.count
        for scope in scopes { try addScope(scope, point) }
    }

    private mutating func addScope(_ reader: ProtobufReader, _ known: Point) throws {
        var point = known
        var metrics: [ProtobufReader] = []
        try Self.fields(reader) { field, value in
            switch field {
            case 1:
                try Self.fields(value.message) { field, value in
                    point.scope += try field == 3 ? "{\(Self.attribute(value.message))}" : "\(value.text);"
                }
            case 2: metrics.append(try value.message)
            case 3: point.scope += "schema=\(value.text)"
            default: throw Unexpected(field: field)
            }
        }
        self.metrics += metrics.count
        for metric in metrics { try addMetric(metric, point) }
    }

    private mutating func addMetric(_ reader: ProtobufReader, _ known: Point) throws {
        var point = known
        var data: ProtobufReader?
        try Self.fields(reader) { field, value in
            let names: [UInt32: String] = [5: "gauge", 7: "sum", 9: "histogram", 10: "exponential", 11: "summary"]
            switch field {
            case 1: point.metric = value.text
            case 3: point.unit = value.text
            default:
                guard let name = names[field], data == nil else { throw Unexpected(field: field) }
                (point.data, data) = (name, try value.message)
            }
        }
        guard let data else { throw Unexpected(field: 0) }
        var points: [ProtobufReader] = []
        try Self.fields(data) { field, value in
            switch field {
            case 1: points.append(try value.message)
            case 2: point.temporality = value.value
            case 3: point.isMonotonic = value.value == 1
            default: throw Unexpected(field: field)
            }
        }
        for reader in points { self.points.append(try Self.point(reader, point)) }
    }

    private static func point(_ reader: ProtobufReader, _ known: Point) throws -> Point {
        var point = known
        try fields(reader) { field, value in
            switch (known.data, field) {
            case (_, 2): point.start = value.value
            case (_, 3): point.time = value.value
            case ("gauge", 4), ("sum", 4): point.doubleBits = value.value
            case ("gauge", 6), ("sum", 6): point.integer = Int64(bitPattern: value.value)
            case ("gauge", 5), ("sum", 5), ("histogram", 8), ("exponential", 11):
                point.exemplars.append(try exemplar(value.message))
            case ("gauge", 7), ("sum", 7), ("histogram", 9), ("exponential", 1), ("summary", 7):
                point.attributes.append(try attribute(value.message))
            case ("gauge", 8), ("sum", 8), ("histogram", 10), ("exponential", 10), ("summary", 8):
                point.flags = value.value
            case (_, 4): point.count = value.value
            case (_, 5): point.sumBits = value.value
            case ("histogram", 6): point.buckets = try value.fixed64
            case ("histogram", 7): point.bounds = try value.fixed64.map { Double(bitPattern: $0) }
            case ("histogram", 11), ("histogram", 12), ("exponential", 12), ("exponential", 13), ("exponential", 14):
                break
            case ("exponential", 6): point.scale = Varint.unzigzag(value.value)
            case ("exponential", 7): point.zeroCount = value.value
            case ("exponential", 8): point.positive = try side(value.message)
            case ("exponential", 9): point.negative = try side(value.message)
            case ("summary", 6):
                try fields(value.message) { _, value in point.quantiles.append(Double(bitPattern: value.value)) }
            default: throw Unexpected(field: field)
            }
        }
        return point
    }

    private static func side(_ reader: ProtobufReader) throws -> Side {
        var side = Side()
        try fields(reader) { field, value in
            if field == 1 { side.offset = Varint.unzigzag(value.value) }
            guard field == 2 else { return }
            var packed = try value.message
            while !packed.isAtEnd { side.counts.append(try packed.readVarint()) }
        }
        return side
    }

    private static func exemplar(_ reader: ProtobufReader) throws -> String {
        var text = ""
        try fields(reader) { field, value in
            switch field {
            case 2: text += " time=\(value.value)"
            case 3: text += " value=\(Double(bitPattern: value.value))"
            case 4, 5:
                let hex = value.raw.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                text += " \(field == 4 ? "span" : "trace")=\(hex)"
            case 7: text += " \(try attribute(value.message))"
            default: throw Unexpected(field: field)
            }
        }
        return text
    }

    private static func attribute(_ reader: ProtobufReader) throws -> String {
        var (key, text) = ("", "")
        try fields(reader) { field, value in
            if field == 1 { key = value.text } else { text = try any(value.message) }
        }
        return "\(key)=\(text)"
    }

    private static func any(_ reader: ProtobufReader) throws -> String {
        var text = "nothing"
        try fields(reader) { field, value in
            switch field {
            case 1: text = value.text
            case 2: text = value.value == 1 ? "true" : "false"
            case 3: text = "\(Int64(bitPattern: value.value))"
            case 4: text = "\(Double(bitPattern: value.value))"
            case 5:
                var items: [String] = []
                try fields(value.message) { _, value in items.append(try any(value.message)) }
                text = "\(items)"
            case 6:
                var items: [String] = []
                try fields(value.message) { _, value in items.append(try attribute(value.message)) }
                text = "\(items)"
            case 7: text = "\(Array(value.raw))"
            default: throw Unexpected(field: field)
            }
        }
        return text
    }

    // MARK: Fields

    private struct Unexpected: Error {
        var field: UInt32
    }

    private static func fields(_ reader: ProtobufReader, _ body: (UInt32, ProtobufField) throws -> Void) throws {
        try ProtobufField.each(of: reader) { try body($0.number, $0) }
    }
}
