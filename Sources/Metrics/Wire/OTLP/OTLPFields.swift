/// Field numbers of OTLP's metrics.
/// <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>
enum OTLPField {
    /// `ExportMetricsServiceRequest`
    static let resourceMetrics = 1

    enum ResourceMetrics {
        static let resource = 1
        static let scopeMetrics = 2
        static let schemaURL = 3
    }
    enum ScopeMetrics {
        static let scope = 1
        static let metrics = 2
        static let schemaURL = 3
    }
    enum Resource {
        static let attributes = 1
    }
    enum Scope {
        static let name = 1
        static let version = 2
        static let attributes = 3
    }
    enum Metric {
        static let name = 1
        static let unit = 3
    }
    /// `Gauge`, `Sum`, `Histogram`, `ExponentialHistogram`, `Summary`
    enum Data {
        static let points = 1
        static let temporality = 2
        static let isMonotonic = 3
    }
    /// The same in all kinds of points.
    enum Point {
        static let startTime = 2
        static let time = 3
        static let count = 4
        static let sum = 5
    }
    enum Number {
        static let double = 4
        static let exemplars = 5
        static let integer = 6
        static let attributes = 7
        static let flags = 8
    }
    enum Histogram {
        static let bucketCounts = 6
        static let bounds = 7
        static let exemplars = 8
        static let attributes = 9
        static let flags = 10
        static let minimum = 11
        static let maximum = 12
    }
    enum Exponential {
        static let attributes = 1
        static let scale = 6
        static let zeroCount = 7
        static let positive = 8
        static let negative = 9
        static let flags = 10
        static let exemplars = 11
        static let minimum = 12
        static let maximum = 13
        static let zeroThreshold = 14
    }
    enum Buckets {
        static let offset = 1
        static let counts = 2
    }
    enum Summary {
        static let quantiles = 6
        static let attributes = 7
        static let flags = 8
    }
    enum Quantile {
        static let quantile = 1
        static let value = 2
    }
    enum Exemplar {
        static let time = 2
        static let double = 3
        static let spanID = 4
        static let traceID = 5
        static let attributes = 7
    }
    enum Value {
        static let string = 1
        static let bool = 2
        static let int = 3
        static let double = 4
        static let array = 5
        static let map = 6
        static let bytes = 7
        /// Of `ArrayValue` and `KeyValueList`.
        static let elements = 1
    }
    /// `KeyValue`
    enum Pair {
        static let key = 1
        static let value = 2
    }
    /// `ExportMetricsServiceResponse`
    enum Response {
        static let partialSuccess: UInt32 = 1
        static let rejectedPoints: UInt32 = 1
        static let message: UInt32 = 2
    }

    /// `DataPointFlags.FLAG_NO_RECORDED_VALUE`
    static let noRecordedValue: UInt64 = 1
}
