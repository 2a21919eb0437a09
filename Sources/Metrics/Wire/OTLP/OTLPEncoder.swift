/// Encodes OTLP metrics (`ExportMetricsServiceRequest`) as protobuf, before compression.
/// <https://opentelemetry.io/docs/specs/otlp/>
///
/// A body is the `resource_metrics` of any number of `append` calls, one after the other. Reuse one encoder: it keeps its
/// memory.
///
/// What came in as OTLP leaves as it came. Of what Prometheus has, `job` and `instance` are the resource's `service.name`
/// and `service.instance.id`, the other labels attributes; a stale marker is a point without a recorded value; names that
/// end in `_total`, `_count`, `_sum` or `_bucket` are cumulative sums where nothing else is known of them; native
/// histograms are exponential ones, or explicit ones where they have bounds of their own. A field of line protocol is
/// `measurement_field`, `value` the measurement alone. Booleans are 0 and 1.
public struct OTLPEncoder: Sendable {
    /// What a slice of a batch became.
    public struct Counts: Sendable {
        /// Points that are in the body.
        public var points = 0
        /// Integers beyond 2^63 - 1, which went out as float64.
        public var rounded = 0
        /// Ascending.
        public var excluded: [(ordinal: Int, reason: OTLPExclusion)] = []
        public init() {}
    }

    private var layout = OTLPLayout()
    private var points = OTLPPointWriter()
    // Each holds what is inside one message until its size is known.
    private var metrics: [UInt8] = []
    private var scopes: [UInt8] = []
    private var head: [UInt8] = []

    public init() {}

    /// Appends points of `batch` to `body`: those of a series stand together and keep their order.
    ///
    /// - Parameters:
    ///   - runs: ordinals, ascending.
    ///   - series: the ids that those points have; nil: any.
    public mutating func append(
        _ batch: Batch, _ runs: some Sequence<Range<Int>>, of series: Range<Int>? = nil, into body: inout [UInt8]
    ) -> Counts {
        layout.fill(batch, runs, of: series ?? 0..<batch.series.count)
        points.begin(batch)
        var counts = Counts()
        batch.series.labelBytes.withUnsafeBytes { labels in
            for source in layout.sources {
                scopes.removeAll(keepingCapacity: true)
                var index = source.scopes.first
                while index >= 0 {
                    let scope = layout.scopes[Int(index)]
                    append(scope, of: source, batch, labels)
                    index = scope.next
                }
                append(source, batch, labels, into: &body)
            }
        }
        counts.excluded = layout.excluded.sorted { $0.ordinal < $1.ordinal }
        counts.points = layout.order.points - layout.excluded.count
        counts.rounded = points.rounded
        return counts
    }

    /// A `ResourceMetrics` of the scopes at hand.
    private mutating func append(
        _ source: OTLPLayout.Source, _ batch: Batch, _ labels: UnsafeRawBufferPointer, into body: inout [UInt8]
    ) {
        head.removeAll(keepingCapacity: true)
        var schemaURL = ""
        if source.resource == 0 {
            for (key, value) in [("service.name", source.job), ("service.instance.id", source.instance)]
            where value.count > 0 {
                var key = key
                key.withUTF8 { key in
                    OTLPValues.append(
                        UnsafeRawBufferPointer(key), value.bytes(in: labels), field: OTLPField.Resource.attributes,
                        to: &head)
                }
            }
        } else {
            let resource = batch.resources[Int(source.resource) - 1]
            OTLPValues.append(resource.attributes, field: OTLPField.Resource.attributes, to: &head)
            schemaURL = resource.schemaURL
        }
        append(
            field: OTLPField.resourceMetrics, head: OTLPField.ResourceMetrics.resource, scopes, schemaURL, to: &body)
    }

    /// A `ScopeMetrics`, into `scopes`.
    private mutating func append(
        _ scope: OTLPLayout.Scope, of source: OTLPLayout.Source, _ batch: Batch, _ labels: UnsafeRawBufferPointer
    ) {
        metrics.removeAll(keepingCapacity: true)
        var index = scope.metrics.first
        while index >= 0 {
            let metric = layout.metrics[Int(index)]
            append(metric, batch, labels, isSource: source.resource == 0)
            index = metric.next
        }
        head.removeAll(keepingCapacity: true)
        var schemaURL = ""
        if scope.scope != 0 {
            let known = batch.scopes[Int(scope.scope) - 1]
            if !known.name.isEmpty { ProtobufWriter.appendString(OTLPField.Scope.name, known.name, to: &head) }
            if !known.version.isEmpty { ProtobufWriter.appendString(OTLPField.Scope.version, known.version, to: &head) }
            OTLPValues.append(known.attributes, field: OTLPField.Scope.attributes, to: &head)
            schemaURL = known.schemaURL
        }
        append(
            field: OTLPField.ResourceMetrics.scopeMetrics, head: OTLPField.ScopeMetrics.scope, metrics, schemaURL,
            to: &scopes)
    }

    /// A message of `head` as its field `head`, the fields in `inner`, and a schema URL: `ResourceMetrics` and
    /// `ScopeMetrics` are the same in that.
    private func append(
        field: Int, head headField: Int, _ inner: [UInt8], _ schemaURL: String, to body: inout [UInt8]
    ) {
        var size = inner.count
        if !head.isEmpty { size += ProtobufWriter.length(ofBytes: head.count) }
        if !schemaURL.isEmpty { size += ProtobufWriter.length(ofBytes: schemaURL.utf8.count) }
        ProtobufWriter.appendKey(field, .bytes, to: &body)
        Varint.append(UInt64(size), to: &body)
        if !head.isEmpty { OTLPValues.append(message: head, field: headField, to: &body) }
        body.append(contentsOf: inner)
        if !schemaURL.isEmpty { ProtobufWriter.appendString(OTLPField.ResourceMetrics.schemaURL, schemaURL, to: &body) }
    }

    /// A `Metric`, into `metrics`.
    private mutating func append(
        _ metric: OTLPLayout.Metric, _ batch: Batch, _ labels: UnsafeRawBufferPointer, isSource: Bool
    ) {
        points.removeAll()
        var index = metric.members.first
        while index >= 0 {
            let member = layout.members[Int(index)]
            points.append(
                layout.order.points(of: Int(member.series)), of: member, batch, metric.form.data, isSource: isSource)
            index = member.next
        }
        let form = metric.form
        let name = metric.name.bytes(in: labels)
        let field = batch.texts[Int(form.field)]
        let suffix = field.isEmpty || field == "value" ? "" : "_" + field
        let unit = batch.texts[Int(form.unit)]
        var data = points.bytes.count
        if form.temporality != .unspecified { data += 2 }
        if form.isMonotonic { data += 2 }
        var size = ProtobufWriter.length(ofBytes: name.count + suffix.utf8.count)
        if !unit.isEmpty { size += ProtobufWriter.length(ofBytes: unit.utf8.count) }
        size += ProtobufWriter.length(ofBytes: data)
        ProtobufWriter.appendKey(OTLPField.ScopeMetrics.metrics, .bytes, to: &metrics)
        Varint.append(UInt64(size), to: &metrics)
        ProtobufWriter.appendKey(OTLPField.Metric.name, .bytes, to: &metrics)
        Varint.append(UInt64(name.count + suffix.utf8.count), to: &metrics)
        metrics.append(contentsOf: name)
        metrics.append(contentsOf: suffix.utf8)
        if !unit.isEmpty { ProtobufWriter.appendString(OTLPField.Metric.unit, unit, to: &metrics) }
        ProtobufWriter.appendKey(form.data.rawValue, .bytes, to: &metrics)
        Varint.append(UInt64(data), to: &metrics)
        metrics.append(contentsOf: points.bytes)
        if form.temporality != .unspecified {
            ProtobufWriter.appendVarint(
                OTLPField.Data.temporality, UInt64(form.temporality.rawValue), to: &metrics)
        }
        if form.isMonotonic { ProtobufWriter.appendVarint(OTLPField.Data.isMonotonic, 1, to: &metrics) }
    }
}
