/// Field numbers of remote write 1.0, and those that 2.0 has otherwise.
/// <https://github.com/prometheus/prometheus/blob/main/prompb/remote.proto>,
/// <https://github.com/prometheus/prometheus/blob/main/prompb/types.proto>,
/// <https://github.com/prometheus/prometheus/blob/main/prompb/io/prometheus/write/v2/types.proto>
enum RemoteWriteField {
    enum Request {
        static let timeSeries: UInt32 = 1
        static let metadata: UInt32 = 3
        /// Fields of `io.prometheus.write.v2.Request`: a 2.0 body, which reserves 1 to 3.
        static let symbolsOf2: UInt32 = 4
        static let timeSeriesOf2: UInt32 = 5
    }
    enum TimeSeries {
        static let label: UInt32 = 1
        static let sample: UInt32 = 2
        static let exemplar: UInt32 = 3
        static let histogram: UInt32 = 4
    }
    /// Fields of a series of 2.0.
    enum TimeSeriesOf2 {
        static let labelReferences: UInt32 = 1
        static let sample: UInt32 = 2
        static let histogram: UInt32 = 3
        static let exemplar: UInt32 = 4
        static let metadata: UInt32 = 5
    }
    /// Labels stand where an `Exemplar` of 1.0 has them, as references.
    enum MetadataOf2 {
        static let type: UInt32 = 1
        static let helpReference: UInt32 = 3
        static let unitReference: UInt32 = 4
    }
    enum Label {
        static let name: UInt32 = 1
        static let value: UInt32 = 2
    }
    enum Sample {
        static let value: UInt32 = 1
        static let timestamp: UInt32 = 2
        /// Only 2.0 has it.
        static let startTimestamp: UInt32 = 3
    }
    enum Exemplar {
        static let label: UInt32 = 1
        static let value: UInt32 = 2
        static let timestamp: UInt32 = 3
    }
    enum Metadata {
        static let type: UInt32 = 1
        static let family: UInt32 = 2
        static let help: UInt32 = 4
        static let unit: UInt32 = 5
    }
    enum Histogram {
        static let countInteger: UInt32 = 1
        static let countFloat: UInt32 = 2
        static let sum: UInt32 = 3
        static let schema: UInt32 = 4
        static let zeroThreshold: UInt32 = 5
        static let zeroCountInteger: UInt32 = 6
        static let zeroCountFloat: UInt32 = 7
        static let negativeSpan: UInt32 = 8
        static let negativeDelta: UInt32 = 9
        static let negativeCount: UInt32 = 10
        static let positiveSpan: UInt32 = 11
        static let positiveDelta: UInt32 = 12
        static let positiveCount: UInt32 = 13
        static let resetHint: UInt32 = 14
        static let timestamp: UInt32 = 15
        static let customValue: UInt32 = 16
        /// Only 2.0 has it.
        static let startTimestamp: UInt32 = 17
    }
    enum Span {
        static let offset: UInt32 = 1
        static let length: UInt32 = 2
    }
}
