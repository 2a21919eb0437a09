@testable import Metrics

/// Series by their labels, as rules get them.
struct RouteFixture {
    private(set) var batch = Batch()

    /// - Parameters:
    ///   - labels: pairs; a value is not empty.
    ///   - field: of line protocol.
    mutating func add(
        _ labels: KeyValuePairs<String, String>, field: String = "", resource: [Attribute] = [], time: Int64 = 1,
        flags: PointFlags = []
    ) {
        var builder = LabelBuilder()
        for (name, value) in labels { builder.add(name, value) }
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        var identity = SeriesIdentity.plain
        identity.field = batch.intern(text: field)
        if !resource.isEmpty { identity.resource = batch.intern(resource: Resource(attributes: resource)) }
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
        batch.points.append(series: id, time: time, kind: .float64, bits: UInt64(batch.points.count), flags: flags)
    }

    mutating func add(exemplarOf ordinal: UInt32) {
        batch.exemplars.append(
            Exemplar(
                series: batch.points.series[Int(ordinal)], ordinal: ordinal, labels: [], valueBits: 0, time: nil))
    }

    mutating func add(metadataOf family: String) {
        batch.metadata.append(MetricMetadata(family: family, kind: .gauge))
    }

    /// What goes on, a line a point: ordinal, then labels; `-` for one that is kept back.
    func routed(_ rules: RouteRules) -> [String] {
        var memory = RouteMemory(rules)
        return RouteFixture.lines(memory.route(batch))
    }

    static func lines(_ routed: RoutedBatch) -> [String] {
        routed.batch.points.series.map { id in
            guard id < routed.keptSeries else { return "-" }
            let labels = routed.batch.series.withLabels(of: id) { bytes in
                LabelIterator(bytes).map { "\($0.nameString)=\($0.valueString)" }
            }
            let field = routed.batch.field(of: id)
            return labels.joined(separator: ",") + (field.isEmpty ? "" : " \(field)")
        }
    }
}
