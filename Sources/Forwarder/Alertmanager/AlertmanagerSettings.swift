/// `alertmanager:` where the node's own alerts go, and how.
///
/// Own keys: `urls`, `interval`, `external_labels`, `tenant`, `tenant_header`; the rest as in `HTTPEndpoint`, for all urls alike.
public struct AlertmanagerSettings: Sendable {
    public struct Label: Sendable, Hashable {
        public var name: String
        public var value: String
    }

    /// The peers of a cluster: each gets every alert.
    /// <https://prometheus.io/docs/alerting/latest/alertmanager/#high-availability>
    let endpoints: [HTTPEndpoint]
    public let labels: [Label]
    /// How often the node looks at itself, and says again what is wrong.
    public let interval: Duration

    public var urls: [String] { endpoints.map(\.url) }

    static let maximumPeers = 16
    private static let maximumLabels = 16
    private static let maximumLabelBytes = 1024

    /// - Parameter instance: the label `instance`, where the config names none: the alerts of two nodes are not one.
    public init(_ settings: Settings, instance: String) throws(SettingsError) {
        interval = try settings.duration("interval") ?? .seconds(30)
        guard interval >= .seconds(1), interval <= .seconds(600) else {
            throw SettingsError(
                "\(settings.name(of: "interval")) must lie between 1s and 10m", line: settings.line(of: "interval"))
        }
        labels = try Self.labels(settings, instance)
        let urls = try settings.strings("urls")
        let line = settings.line(of: "urls")
        guard (1...Self.maximumPeers).contains(urls.count) else {
            throw SettingsError(
                "\(settings.name(of: "urls")) must name from 1 to \(Self.maximumPeers) Alertmanagers", line: line)
        }
        let header = try Self.tenantHeader(settings)
        let reserved = Set(header.map { [$0.name.lowercased()] } ?? [])
        var endpoints = try HTTPEndpoint.list(settings, "urls", reserved: reserved)
        for index in endpoints.indices {
            if endpoints[index].url.hasSuffix("/") { endpoints[index].url.removeLast() }
            let url = endpoints[index].url
            guard !url.contains("?"), !url.contains("#"), !url.hasSuffix("/api/v2/alerts") else {
                throw SettingsError(
                    "\(settings.name(of: "urls")): \"\(url)\" must end before /api/v2/alerts, which is added",
                    line: line)
            }
            guard !endpoints[..<index].contains(where: { $0.url == url }) else {
                throw SettingsError("\(settings.name(of: "urls")) names \(url) twice", line: line)
            }
            if let header { endpoints[index].headers.append(header) }
        }
        self.endpoints = endpoints
    }

    /// As whom Mimir, Cortex and their kin take the alerts: `X-Scope-OrgID`.
    private static func tenantHeader(_ settings: Settings) throws(SettingsError) -> (name: String, value: String)? {
        let name = try settings.string("tenant_header") ?? "X-Scope-OrgID"
        guard let tenant = try settings.string("tenant") else {
            guard settings.has("tenant_header") else { return nil }
            throw SettingsError(
                "\(settings.name(of: "tenant_header")) needs tenant, which it carries",
                line: settings.line(of: "tenant_header"))
        }
        guard !tenant.isEmpty, HTTPRequest.isHeader(name: name, value: tenant),
            !HTTPEndpoint.isReserved(name.lowercased(), [])
        else {
            throw SettingsError(
                "\(settings.name(of: "tenant")): \"\(name): \(tenant)\" is no header that can be set",
                line: settings.line(of: "tenant"))
        }
        return (name, tenant)
    }

    /// An Alertmanager refuses what is not as Prometheus' data model has it, and with it every alert.
    private static func labels(_ settings: Settings, _ instance: String) throws(SettingsError) -> [Label] {
        let (place, line) = (settings.name(of: "external_labels"), settings.line(of: "external_labels"))
        var labels = try settings.pairs("external_labels").map { Label(name: $0.0, value: $0.1) }
        guard labels.count <= maximumLabels else {
            throw SettingsError("\(place) may be \(maximumLabels) at most", line: line)
        }
        for (index, label) in labels.enumerated() {
            guard isName(label.name) else {
                throw SettingsError("\(place): \"\(label.name)\" is no name of a label", line: line)
            }
            guard !Alert.ownLabels.contains(label.name) else {
                throw SettingsError("\(place).\(label.name): an alert has that label of its own", line: line)
            }
            guard !labels[..<index].contains(where: { $0.name == label.name }) else {
                throw SettingsError("\(place).\(label.name) is there twice", line: line)
            }
            guard (1...maximumLabelBytes).contains(label.value.utf8.count) else {
                throw SettingsError("\(place).\(label.name) is empty, or longer than a kilobyte", line: line)
            }
        }
        if !instance.isEmpty, !labels.contains(where: { $0.name == "instance" }) {
            labels.append(Label(name: "instance", value: instance))
        }
        return labels
    }

    private static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !name.hasPrefix("__"), !(48...57).contains(first), name.utf8.count <= 128
        else { return false }
        return name.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == UInt8(ascii: "_")
        }
    }
}
