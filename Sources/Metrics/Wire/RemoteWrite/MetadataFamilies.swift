/// What is known of metric families, found by the names of their series.
public struct MetadataFamilies: Sendable {
    private var families: [ExactText: MetricMetadata] = [:]
    /// Of the texts, with about what the table takes besides.
    public private(set) var bytes = 0

    private static let entryBytes = 160

    public init() {}

    public var isEmpty: Bool { families.isEmpty }

    /// What is said last of a family holds. What is known already costs a look.
    public mutating func add(_ metadata: [MetricMetadata]) {
        for item in metadata {
            let family = ExactText(item.family)
            let before = families[family]
            if before == item { continue }
            if let before { bytes -= MetadataFamilies.bytes(of: before) }
            families[family] = item
            bytes += MetadataFamilies.bytes(of: item)
        }
    }

    public mutating func removeAll() { self = MetadataFamilies() }

    private static func bytes(of item: MetricMetadata) -> Int {
        entryBytes + 2 * item.family.utf8.count + item.help.utf8.count + item.unit.utf8.count
    }

    /// The family of series with this metric name: the one of its name, or of its name without what the series of a
    /// distribution or a counter have behind it. <https://prometheus.io/docs/specs/om/open_metrics_spec/#suffixes>
    package func family(of name: String) -> MetricMetadata? {
        if let family = families[ExactText(name)] { return family }
        for suffix in MetadataFamilies.suffixes where name.hasSuffix(suffix) {
            return families[ExactText(String(name.dropLast(suffix.count)))]
        }
        return nil
    }

    private static let suffixes = ["_bucket", "_count", "_sum", "_total", "_created", "_info"]

    /// nil where a label set has no metric name.
    static func name(_ labels: UnsafeRawBufferPointer) -> String? {
        var rest = LabelIterator(labels)
        while let label = rest.next() {
            if PrometheusNames.isMetricName(label.name) { return label.valueString }
        }
        return nil
    }
}
