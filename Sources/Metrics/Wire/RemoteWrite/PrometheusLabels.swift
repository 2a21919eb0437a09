/// The labels of a series as Prometheus takes them, when they are not simply those of the batch.
///
/// Two labels of one series never become one: where changing a name would make it another label's, it is escaped
/// one-to-one instead. Two series whose names differ only in changed characters do become one, as in Prometheus' own
/// converters.
struct PrometheusLabels: Sendable {
    private struct Pair {
        var name: [UInt8]
        var value: [UInt8]
    }
    private var builder = LabelBuilder()
    private var metric: [UInt8] = []
    private var pairs: [Pair] = []
    private var isChanged = false

    /// Canonical label bytes: what `set` or `derive` made last.
    var canonical: [UInt8] { builder.canonical }

    init() {}

    /// Whether the series' own label bytes can go out as they are.
    @inline(__always)
    static func areUsable(_ batch: Batch, _ id: UInt32) -> Bool {
        let identity = batch.series.identity(of: id)
        return identity.field == 0 && identity.resource == 0 && identity.scope == 0
            && (batch.series.hasPrometheusNames
                || batch.series.withLabels(of: id) { PrometheusNames.areValid(labels: $0) })
    }

    /// Makes the labels of series `id`.
    ///
    /// - Returns: whether a name had to be changed to Prometheus' alphabet.
    mutating func set(_ batch: Batch, _ id: UInt32) -> Bool {
        metric.removeAll(keepingCapacity: true)
        pairs.removeAll(keepingCapacity: true)
        isChanged = false
        batch.series.withLabels(of: id) { labels in
            // Names that stay as they are come first: they have the better right to their spelling.
            addLabels(labels, valid: true)
            addLabels(labels, valid: false)
        }
        let field = batch.field(of: id)
        if !field.isEmpty, field != "value" {
            metric.append(UInt8(ascii: "_"))
            metric.append(contentsOf: field.utf8)
        }
        changeMetric()
        if let resource = batch.resource(of: id) { add(resource) }
        if let scope = batch.scope(of: id) { add(scope) }
        build(suffix: "", extra: nil)
        return isChanged
    }

    /// Makes the labels of a series derived from the one `set` last: its name with `suffix`, and perhaps one label more.
    /// A label of that name which the series already has is kept as `exported_` and its name.
    mutating func derive(suffix: String, _ name: String = "", _ value: String = "") {
        build(suffix: suffix, extra: name.isEmpty ? nil : (name, value))
    }

    // MARK: Parts

    private mutating func addLabels(_ labels: UnsafeRawBufferPointer, valid: Bool) {
        var rest = LabelIterator(labels)
        while let label = rest.next() {
            if PrometheusNames.isMetricName(label.name) {
                if valid { metric.append(contentsOf: label.value) }
            } else if PrometheusNames.isValid(label.name, isMetric: false) == valid {
                add(label.name, Array(label.value))
            }
        }
    }

    private mutating func changeMetric() {
        let isValid = metric.withUnsafeBytes { PrometheusNames.isValid($0, isMetric: true) }
        if isValid || metric.isEmpty { return }
        var changed: [UInt8] = []
        metric.withUnsafeBytes { PrometheusNames.sanitized($0, isMetric: true, into: &changed) }
        metric = changed
        isChanged = true
    }

    private mutating func add(_ name: String, _ value: String) {
        var name = name
        name.withUTF8 { add(UnsafeRawBufferPointer($0), Array(value.utf8)) }
    }

    private mutating func add(_ name: UnsafeRawBufferPointer, _ value: [UInt8]) {
        if name.isEmpty || value.isEmpty { return }
        var spelled: [UInt8] = []
        if PrometheusNames.isValid(name, isMetric: false) {
            spelled.append(contentsOf: name)
        } else {
            PrometheusNames.sanitized(name, isMetric: false, into: &spelled)
            isChanged = true
        }
        if isTaken(spelled) {
            spelled = PrometheusNames.escaped(String(decoding: name, as: UTF8.self))
            isChanged = true
            // A stranger may have named a label as the escape of another one.
            while isTaken(spelled) { spelled.append(UInt8(ascii: "_")) }
        }
        pairs.append(Pair(name: spelled, value: value))
    }

    private func isTaken(_ name: [UInt8]) -> Bool {
        name == Batch.nameLabel || pairs.contains { $0.name == name }
    }

    /// `job` and `instance` from the attributes that mean them, the others as labels of their own: series that differ
    /// only in their resource stay apart.
    /// <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#resource-attributes>
    private mutating func add(_ resource: Resource) {
        func text(_ key: String) -> String { resource.attributes.first { $0.key == key }?.value.text ?? "" }
        let service = text("service.name")
        let namespace = text("service.namespace")
        if !isTaken(Array("job".utf8)) { add("job", namespace.isEmpty ? service : "\(namespace)/\(service)") }
        if !isTaken(Array("instance".utf8)) { add("instance", text("service.instance.id")) }
        for attribute in resource.attributes { add(attribute.key, attribute.value.text) }
    }

    /// <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#instrumentation-scope>
    private mutating func add(_ scope: Scope) {
        add("otel_scope_name", scope.name)
        add("otel_scope_version", scope.version)
        add("otel_scope_schema_url", scope.schemaURL)
        for attribute in scope.attributes { add("otel_scope_" + attribute.key, attribute.value.text) }
    }

    private mutating func build(suffix: String, extra: (name: String, value: String)?) {
        builder.reset()
        var name = String(decoding: metric, as: UTF8.self) + suffix
        name.withUTF8 { name in
            Batch.nameLabel.withUnsafeBytes { builder.add(name: $0, value: UnsafeRawBufferPointer(name)) }
        }
        for pair in pairs {
            var spelled = pair.name
            if let extra, spelled.elementsEqual(extra.name.utf8) {
                repeat { spelled = Array("exported_".utf8) + spelled } while isTaken(spelled)
            }
            spelled.withUnsafeBytes { name in pair.value.withUnsafeBytes { builder.add(name: name, value: $0) } }
        }
        if let extra { builder.add(extra.name, extra.value) }
        let unlimited = LabelLimits(nameBytes: .max, valueBytes: .max, labels: .max)
        do throws(LabelFault) {
            try builder.finish(unlimited, requiresName: false)
        } catch {
            preconditionFailure("names are unique and not empty, and text is UTF-8: \(error.rawValue)")
        }
    }
}
