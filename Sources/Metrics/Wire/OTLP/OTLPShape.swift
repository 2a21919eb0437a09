/// The messages of OTLP's metrics as far as `OTLPEncoder` writes them: what each field is called in JSON, and how its value is
/// spelled there.
/// <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>, <https://protobuf.dev/programming-guides/json/>
enum OTLPShape: Int, CaseIterable {
    case request, resourceMetrics, resource, scopeMetrics, scope, metric
    case gauge, sum, histogram, exponential, summary
    case number, histogramPoint, exponentialPoint, buckets, summaryPoint, quantile, exemplar
    case pair, value, list, map

    enum Spelling {
        case message(OTLPShape)
        /// Messages in a list.
        case messages(OTLPShape)
        case text
        case bool
        /// Bytes that OTLP, unlike protobuf's JSON, spells in hexadecimal: ids of traces and spans.
        case hexadecimal
        case base64
        /// A number: enumerations are never their names.
        case unsigned32
        /// A number, zigzag on the wire.
        case signed32
        /// 64 bits are more than JSON's numbers carry: a text.
        case varint64
        case fixed64
        case signedFixed64
        case double
        case packedFixed64
        case packedVarint64
        case packedDouble
    }

    struct Field {
        var name: StaticString
        var spelling: Spelling
    }

    func field(_ number: UInt32) -> Field? {
        let fields = OTLPShape.table[rawValue]
        return number < fields.count ? fields[Int(number)] : nil
    }

    /// Fields by shape and number.
    private static let table: [[Field?]] = allCases.map { shape in
        var fields: [Field?] = []
        for (number, name, spelling) in shape.fields {
            while fields.count <= number { fields.append(nil) }
            fields[number] = Field(name: name, spelling: spelling)
        }
        return fields
    }

    private var fields: [(Int, StaticString, Spelling)] {
        switch self {
        case .request: [(OTLPField.resourceMetrics, "resourceMetrics", .messages(.resourceMetrics))]
        case .resourceMetrics:
            [
                (OTLPField.ResourceMetrics.resource, "resource", .message(.resource)),
                (OTLPField.ResourceMetrics.scopeMetrics, "scopeMetrics", .messages(.scopeMetrics)),
                (OTLPField.ResourceMetrics.schemaURL, "schemaUrl", .text),
            ]
        case .resource: [(OTLPField.Resource.attributes, "attributes", .messages(.pair))]
        case .scopeMetrics:
            [
                (OTLPField.ScopeMetrics.scope, "scope", .message(.scope)),
                (OTLPField.ScopeMetrics.metrics, "metrics", .messages(.metric)),
                (OTLPField.ScopeMetrics.schemaURL, "schemaUrl", .text),
            ]
        case .scope:
            [
                (OTLPField.Scope.name, "name", .text), (OTLPField.Scope.version, "version", .text),
                (OTLPField.Scope.attributes, "attributes", .messages(.pair)),
            ]
        case .metric:
            [
                (OTLPField.Metric.name, "name", .text), (OTLPField.Metric.unit, "unit", .text),
                (OTLPData.gauge.rawValue, "gauge", .message(.gauge)), (OTLPData.sum.rawValue, "sum", .message(.sum)),
                (OTLPData.histogram.rawValue, "histogram", .message(.histogram)),
                (OTLPData.exponential.rawValue, "exponentialHistogram", .message(.exponential)),
                (OTLPData.summary.rawValue, "summary", .message(.summary)),
            ]
        case .gauge: data(.number)
        case .sum: data(.number) + [temporality, (OTLPField.Data.isMonotonic, "isMonotonic", .bool)]
        case .histogram: data(.histogramPoint) + [temporality]
        case .exponential: data(.exponentialPoint) + [temporality]
        case .summary: data(.summaryPoint)
        case .number:
            times + [
                (OTLPField.Number.double, "asDouble", .double), (OTLPField.Number.integer, "asInt", .signedFixed64),
                (OTLPField.Number.exemplars, "exemplars", .messages(.exemplar)),
                (OTLPField.Number.attributes, "attributes", .messages(.pair)),
                (OTLPField.Number.flags, "flags", .unsigned32),
            ]
        case .histogramPoint:
            times + totals + [
                (OTLPField.Histogram.bucketCounts, "bucketCounts", .packedFixed64),
                (OTLPField.Histogram.bounds, "explicitBounds", .packedDouble),
                (OTLPField.Histogram.exemplars, "exemplars", .messages(.exemplar)),
                (OTLPField.Histogram.attributes, "attributes", .messages(.pair)),
                (OTLPField.Histogram.flags, "flags", .unsigned32), (OTLPField.Histogram.minimum, "min", .double),
                (OTLPField.Histogram.maximum, "max", .double),
            ]
        case .exponentialPoint:
            times + totals + [
                (OTLPField.Exponential.attributes, "attributes", .messages(.pair)),
                (OTLPField.Exponential.scale, "scale", .signed32),
                (OTLPField.Exponential.zeroCount, "zeroCount", .fixed64),
                (OTLPField.Exponential.positive, "positive", .message(.buckets)),
                (OTLPField.Exponential.negative, "negative", .message(.buckets)),
                (OTLPField.Exponential.flags, "flags", .unsigned32),
                (OTLPField.Exponential.exemplars, "exemplars", .messages(.exemplar)),
                (OTLPField.Exponential.minimum, "min", .double), (OTLPField.Exponential.maximum, "max", .double),
                (OTLPField.Exponential.zeroThreshold, "zeroThreshold", .double),
            ]
        case .buckets:
            [
                (OTLPField.Buckets.offset, "offset", .signed32),
                (OTLPField.Buckets.counts, "bucketCounts", .packedVarint64),
            ]
        case .summaryPoint:
            times + totals + [
                (OTLPField.Summary.quantiles, "quantileValues", .messages(.quantile)),
                (OTLPField.Summary.attributes, "attributes", .messages(.pair)),
                (OTLPField.Summary.flags, "flags", .unsigned32),
            ]
        case .quantile:
            [
                (OTLPField.Quantile.quantile, "quantile", .double), (OTLPField.Quantile.value, "value", .double),
            ]
        case .exemplar:
            [
                (OTLPField.Exemplar.time, "timeUnixNano", .fixed64), (OTLPField.Exemplar.double, "asDouble", .double),
                (OTLPField.Exemplar.spanID, "spanId", .hexadecimal),
                (OTLPField.Exemplar.traceID, "traceId", .hexadecimal),
                (OTLPField.Exemplar.attributes, "filteredAttributes", .messages(.pair)),
            ]
        case .pair: [(OTLPField.Pair.key, "key", .text), (OTLPField.Pair.value, "value", .message(.value))]
        case .value:
            [
                (OTLPField.Value.string, "stringValue", .text), (OTLPField.Value.bool, "boolValue", .bool),
                (OTLPField.Value.int, "intValue", .varint64), (OTLPField.Value.double, "doubleValue", .double),
                (OTLPField.Value.array, "arrayValue", .message(.list)),
                (OTLPField.Value.map, "kvlistValue", .message(.map)), (OTLPField.Value.bytes, "bytesValue", .base64),
            ]
        case .list: [(OTLPField.Value.elements, "values", .messages(.value))]
        case .map: [(OTLPField.Value.elements, "values", .messages(.pair))]
        }
    }

    private func data(_ point: OTLPShape) -> [(Int, StaticString, Spelling)] {
        [(OTLPField.Data.points, "dataPoints", .messages(point))]
    }
    private var temporality: (Int, StaticString, Spelling) {
        (OTLPField.Data.temporality, "aggregationTemporality", .unsigned32)
    }
    private var times: [(Int, StaticString, Spelling)] {
        [
            (OTLPField.Point.startTime, "startTimeUnixNano", .fixed64),
            (OTLPField.Point.time, "timeUnixNano", .fixed64),
        ]
    }
    private var totals: [(Int, StaticString, Spelling)] {
        [(OTLPField.Point.count, "count", .fixed64), (OTLPField.Point.sum, "sum", .double)]
    }
}
