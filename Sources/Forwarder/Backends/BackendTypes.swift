/// Every type of backend there is: the config's `type` names one. A new backend is a file, a line here, and a test file.
public let backendTypes: [any Backend.Type] = [
    PrometheusRemoteWrite.self,
    OTLPHTTP.self,
    InfluxDB.self,
    Elasticsearch.self,
    SplunkHEC.self,
    Datadog.self,
    NewRelic.self,
    NATSJetStream.self,
    MQTT.self,
    Kafka.self,
    Archive.self,
    OwnAPI.self,
    Exec.self,
    Pushgateway.self,
    GrafanaLive.self,
    PrometheusExposition.self,
]

/// The backend that a `backends.<name>` section describes.
///
/// - Parameters:
///   - type: the section's `type`.
///   - name: the section's key, the backend's identity in the ledger.
///   - settings: the section. Keys that are not the backend's own (`type`, `backfill`) must have been read before: what
///     nobody asked for is an error.
///   - environment: what the node lends it.
/// - Throws: `SettingsError` for an unknown type, an unknown key or a wrong value, with its line.
public func makeBackend(
    type: String, name: String, settings: Settings, environment: BackendEnvironment = BackendEnvironment()
) throws(SettingsError) -> any Backend {
    guard let found = backendTypes.first(where: { $0.type == type }) else {
        let known = backendTypes.map { $0.type }
        var message = "\(settings.name(of: "type")): \"\(type)\" is no type of backend"
        if let near = Settings.nearest(to: type, in: known) {
            message += "; did you mean \"\(near)\"?"
        } else {
            message += "; there are \(known.joined(separator: ", "))"
        }
        throw SettingsError(message, line: settings.line(of: "type"))
    }
    _ = settings.has("type")
    let backend = try found.make(name: name, settings: settings, environment: environment)
    try settings.finish()
    return backend
}
