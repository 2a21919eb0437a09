import Metrics

/// Whole bodies through the decoders, for tests that care about what comes out.
public enum WireDecoding {
    public static let arrival: Int64 = 1_790_000_000_123_456_789

    public static func lines(
        _ body: some Sequence<UInt8>, precision: LinePrecision = .nanoseconds, limits: WireLimits = .standard
    ) throws -> DecodedRequest {
        var decoder = LineProtocolDecoder()
        var request = DecodedRequest()
        try Array(body).withUnsafeBytes {
            try decoder.decode(
                $0, LineContext(precision: precision, arrivalTime: arrival), limits: limits, into: &request)
        }
        return request
    }

    public static func exposition(
        _ body: some Sequence<UInt8>, target: ScrapeLabels = ScrapeLabels(), honorsTimestamps: Bool = true,
        limits: WireLimits = .standard
    ) throws -> DecodedRequest {
        var decoder = ExpositionDecoder()
        var request = DecodedRequest()
        let context = ExpositionContext(scrapeTime: arrival, target: target, honorsTimestamps: honorsTimestamps)
        try Array(body).withUnsafeBytes { try decoder.decode($0, context, limits: limits, into: &request) }
        return request
    }

    public static func json(_ body: some Sequence<UInt8>, limits: WireLimits = .standard) throws -> DecodedRequest {
        var decoder = JSONRecordDecoder()
        var request = DecodedRequest()
        try Array(body).withUnsafeBytes {
            try decoder.decode($0, arrivalTime: arrival, limits: limits, into: &request)
        }
        return request
    }

    /// The whole stream in one chunk.
    public static func records(_ body: some Sequence<UInt8>, limits: WireLimits = .standard) throws -> DecodedRequest {
        var decoder = JSONRecordDecoder()
        var request = DecodedRequest()
        _ = Array(body).withUnsafeBytes {
            decoder.decodeLines($0, isLast: true, arrivalTime: arrival, limits: limits, into: &request)
        }
        return request
    }
}

extension Batch {
    /// A point as people read it: `name{label="value"}.field=value@time`, for tests.
    public func summary(of ordinal: Int) -> String {
        let id = points.series[ordinal]
        var name = ""
        var rest: [String] = []
        series.withLabels(of: id) { labels in
            for label in LabelIterator(labels) {
                if label.nameString == "__name__" {
                    name = label.valueString
                } else {
                    rest.append("\(label.nameString)=\(label.valueString)")
                }
            }
        }
        let field = field(of: id).isEmpty ? "" : ".\(field(of: id))"
        let bits = points.bits[ordinal]
        let value =
            switch points.kind(at: ordinal) {
            case .float64: "\(Double(bitPattern: bits))"
            case .int64: "\(Int64(bitPattern: bits))i"
            case .uint64: "\(bits)u"
            case .bool: bits == 0 ? "false" : "true"
            case .string: "'\(String(decoding: string(at: ordinal), as: UTF8.self))'"
            case let kind: "\(kind)"
            }
        return "\(name){\(rest.joined(separator: ","))}\(field)=\(value)@\(points.times[ordinal])"
    }

    private func string(at ordinal: Int) -> [UInt8] { strings[Int(points.bits[ordinal])] }

    /// Every point, in order.
    public var lines: [String] { (0..<points.count).map { summary(of: $0) } }
}
