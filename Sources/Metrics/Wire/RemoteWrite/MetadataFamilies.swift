/// The metadata of a batch, found by the names of series.
struct MetadataFamilies: Sendable {
    private var families: [ExactText: MetricMetadata] = [:]

    var isEmpty: Bool { families.isEmpty }

    /// What is said last of a family holds.
    mutating func fill(_ metadata: [MetricMetadata]) {
        if !families.isEmpty { families.removeAll(keepingCapacity: true) }
        for item in metadata { families[ExactText(item.family)] = item }
    }

    /// The family of series `id`: the one of its name, or of its name without what the series of a distribution or a counter
    /// have behind it. <https://prometheus.io/docs/specs/om/open_metrics_spec/#suffixes>
    func family(of batch: Batch, _ id: UInt32) -> MetricMetadata? {
        guard let name = batch.series.withLabels(of: id, MetadataFamilies.name) else { return nil }
        if let family = families[ExactText(name)] { return family }
        for suffix in MetadataFamilies.suffixes where name.hasSuffix(suffix) {
            return families[ExactText(String(name.dropLast(suffix.count)))]
        }
        return nil
    }

    private static let suffixes = ["_bucket", "_count", "_sum", "_total", "_created", "_info"]

    private static func name(_ labels: UnsafeRawBufferPointer) -> String? {
        var rest = LabelIterator(labels)
        while let label = rest.next() {
            if PrometheusNames.isMetricName(label.name) { return label.valueString }
        }
        return nil
    }
}
