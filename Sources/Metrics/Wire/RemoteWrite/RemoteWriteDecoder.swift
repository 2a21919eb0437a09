/// Decodes remote write 1.0 (`prometheus.WriteRequest`), decompressed.
/// <https://prometheus.io/docs/specs/prw/remote_write_spec/>
///
/// A body that is no protobuf of this schema is refused whole. In one that is, unsorted labels are sorted, an empty value
/// means the label is absent, and a series, histogram or time that is invalid becomes a refusal that counts its points;
/// the rest is decoded. The points of one `TimeSeries` are consecutive, samples before histograms.
///
/// Reuse one decoder from request to request: it keeps its memory. It is the hottest code of the product: canonical
/// label bytes *are* the bytes of the `Label` fields, so a series is one hash and one lookup of a slice of the body, and
/// only a slice that was not seen in this body is validated and copied.
public struct RemoteWriteDecoder: Sendable {
    /// Memory per item is more than the few bytes an empty message takes in a body: these bound what a body can cost.
    enum Most {
        static let histograms = 1 << 17
        static let exemplars = 1 << 16
        static let metadata = 1 << 16
        /// Buckets and spans over all histograms of one request.
        static let buckets = 1 << 22
    }

    var labels = LabelBuilder()
    /// What this request still may take of `Most`.
    var histogramsLeft = 0
    var exemplarsLeft = 0
    var metadataLeft = 0
    var bucketsLeft = 0
    private var isSecondVersion = false
    /// Nothing in the body yet that its points and their labels do not say.
    var isVerbatim = false
    var known = KnownLabels()
    /// What the request before came to: the next one is mostly alike.
    private var expected = (points: 0, series: 0, labelBytes: 0)

    public init() {}

    /// Decodes `body` into `request`, which is emptied first and keeps its memory.
    ///
    /// - Throws: `malformed` or `tooLarge`, with the offset in `body`; `request` is then empty.
    public mutating func decode(
        _ body: UnsafeRawBufferPointer, limits: WireLimits = .standard, into request: inout DecodedRequest
    ) throws(WireError) {
        request.removeAll()
        guard body.count <= limits.decodedBytes else {
            throw WireError(.tooLarge, "\(body.count) bytes decompressed, \(limits.decodedBytes) allowed")
        }
        // Room at once instead of by doubling; never more than a body of this size could need.
        request.batch.points.reserveCapacity(min(expected.points, body.count / 16))
        request.batch.series.reserveCapacity(
            series: min(expected.series, body.count / 32), labelBytes: min(expected.labelBytes, body.count))
        do throws(ProtobufFault) {
            try decodeRequest(body, limits, &request)
        } catch {
            request.removeAll()
            throw WireError(error)
        }
        expected.points = request.batch.points.count
        expected.series = request.batch.series.count
        expected.labelBytes = request.batch.series.labelBytes.count
        if request.batch.isEmpty, request.refusals.isEmpty, isSecondVersion {
            // A 2.0 message decodes as an empty 1.0 one: to say yes would be to lose it.
            throw WireError(.malformed, "this is a remote write 2.0 message under a 1.0 content type", offset: 0)
        }
    }

    private mutating func decodeRequest(
        _ body: UnsafeRawBufferPointer, _ limits: WireLimits, _ request: inout DecodedRequest
    ) throws(ProtobufFault) {
        (histogramsLeft, exemplarsLeft) = (Most.histograms, Most.exemplars)
        (metadataLeft, bucketsLeft) = (Most.metadata, Most.buckets)
        (isSecondVersion, isVerbatim) = (false, true)
        known.begin(limits.labels)
        defer { request.isVerbatim = isVerbatim && request.batch.series.hasPrometheusNames }
        var reader = ProtobufReader(body)
        while !reader.isAtEnd {
            let key = try reader.readKey()
            switch key.field {
            case RemoteWriteField.Request.timeSeries:
                try reader.expect(.bytes, of: key)
                try decodeTimeSeries(body, try reader.readRange(), limits, &request)
            case RemoteWriteField.Request.metadata:
                isVerbatim = false
                try reader.expect(.bytes, of: key)
                try decodeMetadata(try reader.readMessage(), &request)
            case RemoteWriteField.Request.symbolsOf2, RemoteWriteField.Request.timeSeriesOf2:
                (isSecondVersion, isVerbatim) = (true, false)
                try reader.skip(key.wireType)
            default:
                isVerbatim = false
                try reader.skip(key.wireType)
            }
        }
    }
}
