/// The members a record may have, as `docs/formats.md` describes them ("JSON records").
enum RecordKey: Int, CaseIterable {
    case name, labels, value, timestampMilliseconds, timestampNanoseconds, kind
    case int, uint, bool, string, stringBase64, histogram, exponentialHistogram, summary
    case field, unit, temporality, monotonic, resource, scope
    case timestamp, startTimestampMilliseconds, startTimestampNanoseconds
    case sharesRow, noRecordedValue, exemplars, metadata, place

    var word: StaticString {
        switch self {
        case .name: "name"
        case .labels: "labels"
        case .value: "value"
        case .timestampMilliseconds: "timestamp_ms"
        case .timestampNanoseconds: "timestamp_ns"
        case .kind: "kind"
        case .int: "int"
        case .uint: "uint"
        case .bool: "bool"
        case .string: "string"
        case .stringBase64: "string_base64"
        case .histogram: "histogram"
        case .exponentialHistogram: "exponential_histogram"
        case .summary: "summary"
        case .field: "field"
        case .unit: "unit"
        case .temporality: "temporality"
        case .monotonic: "monotonic"
        case .resource: "resource"
        case .scope: "scope"
        case .timestamp: "timestamp"
        case .startTimestampMilliseconds: "start_timestamp_ms"
        case .startTimestampNanoseconds: "start_timestamp_ns"
        case .sharesRow: "shares_row"
        case .noRecordedValue: "no_recorded_value"
        case .exemplars: "exemplars"
        case .metadata: "metadata"
        case .place: "place"
        }
    }

    /// In the order they are most often met; few, so that comparing lengths beats hashing.
    private static let all = RecordKey.allCases

    static func find(_ text: UnsafeRawBufferPointer) -> RecordKey? {
        for key in all {
            let word = key.word
            if word.utf8CodeUnitCount == text.count,
                ByteOrder.compare(text, UnsafeRawBufferPointer(start: word.utf8Start, count: text.count)) == 0
            {
                return key
            }
        }
        return nil
    }

    static let words = all.map { "\($0.word)" }
}

/// Words of the record form for what the model has as numbers.
package enum RecordWords {
    package static func word(of kind: MetricKind) -> StaticString {
        switch kind {
        case .unknown: "unknown"
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        case .gaugeHistogram: "gaugehistogram"
        case .summary: "summary"
        case .info: "info"
        case .stateSet: "stateset"
        }
    }

    package static func word(of temporality: Temporality) -> StaticString {
        switch temporality {
        case .unspecified: "unspecified"
        case .delta: "delta"
        case .cumulative: "cumulative"
        }
    }
}

/// The known word that a mistyped one most likely means.
public enum NearestWord {
    /// - Returns: the nearest of `words` within a third of the length of `text` (or two changes), or nil.
    public static func find(_ text: String, in words: [String]) -> String? {
        guard text.utf8.count <= 64 else { return nil }
        var best: (word: String, distance: Int)?
        for word in words {
            let distance = distance(Array(text.utf8), Array(word.utf8))
            if distance <= max(2, text.utf8.count / 3), distance < best?.distance ?? .max { best = (word, distance) }
        }
        return best?.word
    }

    /// Levenshtein's: insertions, deletions and replacements.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (index, byte) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (byte == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
            }
        }
        return row[right.count]
    }
}
