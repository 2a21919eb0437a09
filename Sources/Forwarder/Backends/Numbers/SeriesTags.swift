import Metrics

extension Batch {
    /// Calls `body` with each pair that tells a series from others of its name: its labels, then what its resource and its scope
    /// say of it. No pair has an empty key or value.
    func eachTag(of series: UInt32, _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
        self.series.withLabels(of: series) { bytes in
            for label in LabelIterator(bytes) where !label.name.elementsEqual(Batch.nameLabel) {
                body(label.name, label.value)
            }
        }
        let identity = self.series.identity(of: series)
        if identity.resource != 0 {
            for attribute in resources[Int(identity.resource) - 1].attributes {
                Batch.lend(attribute.key, attribute.value.text, body)
            }
        }
        if identity.scope != 0 {
            let scope = scopes[Int(identity.scope) - 1]
            // OpenTelemetry's names for them where there are only labels.
            // <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#instrumentation-scope>
            Batch.lend("otel_scope_name", scope.name, body)
            Batch.lend("otel_scope_version", scope.version, body)
        }
    }

    private static func lend(
        _ key: String, _ value: String, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) {
        if key.isEmpty || value.isEmpty { return }
        var (key, value) = (key, value)
        key.withUTF8 { key in
            value.withUTF8 { value in body(UnsafeRawBufferPointer(key), UnsafeRawBufferPointer(value)) }
        }
    }

    /// Appends the metric's name, and behind a dot the field that a line of line protocol gave it.
    func appendName(of series: UInt32, to bytes: inout [UInt8]) {
        self.series.withLabels(of: series) { labels in
            for label in LabelIterator(labels) where label.name.elementsEqual(Batch.nameLabel) {
                bytes.append(contentsOf: label.value)
                break
            }
        }
        let field = self.series.identity(of: series).field
        if field != 0 {
            bytes.append(UInt8(ascii: "."))
            bytes.append(contentsOf: texts[Int(field)].utf8)
        }
    }
}
