/// A typed attribute value (OTLP's `AnyValue`). Depth is bounded where values are decoded.
public indirect enum AttributeValue: Sendable, Hashable {
    case string(String)
    case bool(Bool)
    case int(Int64)
    /// IEEE 754 bits.
    case double(UInt64)
    case bytes([UInt8])
    case array([AttributeValue])
    case map([Attribute])
    case empty
}

public struct Attribute: Sendable, Hashable {
    public var key: String
    public var value: AttributeValue
    public init(_ key: String, _ value: AttributeValue) {
        self.key = key
        self.value = value
    }
}

/// Who measured: OTLP's `Resource`.
public struct Resource: Sendable, Hashable {
    public var attributes: [Attribute]
    public var schemaURL: String
    public init(attributes: [Attribute], schemaURL: String = "") {
        self.attributes = attributes
        self.schemaURL = schemaURL
    }
}

/// With which library: OTLP's `InstrumentationScope`.
public struct Scope: Sendable, Hashable {
    public var name: String
    public var version: String
    public var attributes: [Attribute]
    public var schemaURL: String
    public init(name: String, version: String = "", attributes: [Attribute] = [], schemaURL: String = "") {
        self.name = name
        self.version = version
        self.attributes = attributes
        self.schemaURL = schemaURL
    }
}

/// What a metric family means. Durable and delivered, but no point.
public struct MetricMetadata: Sendable, Hashable {
    public var family: String
    public var kind: MetricKind
    public var help: String
    public var unit: String
    public init(family: String, kind: MetricKind, help: String = "", unit: String = "") {
        self.family = family
        self.kind = kind
        self.help = help
        self.unit = unit
    }
}

/// A sample of what went into a point, with its trace. Carried with the points, counted apart.
public struct Exemplar: Sendable, Hashable {
    /// Index into the series table.
    public var series: UInt32
    /// The point it came with; nil when its series came without one.
    public var ordinal: UInt32?
    /// Canonical label bytes, without a metric name; may be empty.
    public var labels: [UInt8]
    public var valueBits: UInt64
    /// Nanoseconds since the epoch; nil when the sender gave none.
    public var time: Int64?
    public init(series: UInt32, ordinal: UInt32?, labels: [UInt8], valueBits: UInt64, time: Int64?) {
        self.series = series
        self.ordinal = ordinal
        self.labels = labels
        self.valueBits = valueBits
        self.time = time
    }
}
