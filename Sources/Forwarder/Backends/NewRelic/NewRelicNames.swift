import Metrics

/// Attributes as New Relic takes them.
/// <https://docs.newrelic.com/docs/data-apis/ingest-apis/metric-api/metric-api-limits-restricted-attributes/>
enum NewRelicNames {
    /// Bytes, where the limit is 254 characters: never above it.
    static let nameLimit = 254
    /// Bytes, where the limit is 4096 characters.
    static let valueLimit = 4096
    /// Of one metric.
    static let attributeLimit = 150

    /// Keys that the API, its queries or its entities have for themselves.
    private static let reserved: Set<String> = [
        "interval.ms", "timestamp", "value", "common", "min", "max", "count", "sum", "metrics", "newrelic.source",
        "metricName", "endTimestamp", "entity.guid", "entity.name", "entity.type", "accountId", "appId", "eventType",
    ]

    /// Appends a key: ASCII letters and digits, `:`, `.` and `_`. One that is taken gets `x_` before it, as does the metric's own name.
    static func append(key: UnsafeRawBufferPointer, ofMetric name: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        let start = bytes.count
        for byte in key {
            // Of a character of several bytes only the first is seen.
            if byte & 0xC0 == 0x80 { continue }
            if bytes.count - start == nameLimit - 2 { break }
            bytes.append(isKept(byte) ? byte : UInt8(ascii: "_"))
        }
        let isTaken =
            bytes[start...].elementsEqual(name) || reserved.contains(String(decoding: bytes[start...], as: UTF8.self))
        if isTaken { bytes.insert(contentsOf: "x_".utf8, at: start) }
    }

    /// The beginning of a value that is not too long, never with half a character.
    static func cut(value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard value.count > valueLimit else { return value }
        var end = valueLimit
        while end > 0, value[end] & 0xC0 == 0x80 { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: value[..<end])
    }

    private static func isKept(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ":"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
