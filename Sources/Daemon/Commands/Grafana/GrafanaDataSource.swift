import Forwarder
import Metrics

/// How Grafana is to ask for a tenant's metrics: a data source of Prometheus' kind, which Mimir, Thanos and VictoriaMetrics
/// are too.
struct GrafanaDataSource: Sendable {
    static let options = [
        CommandHelp.Option(
            name: "--data-source-url", value: "URL",
            text: "Where Grafana finds the metrics; {tenant} in it becomes the tenant's id."),
        CommandHelp.Option(
            name: "--tenant-header", value: "NAME",
            text: "A header in which Grafana sends the tenant's id there, such as X-Scope-OrgID."),
        CommandHelp.Option(
            name: "--data-source-user", value: "NAME", text: "As whom Grafana logs in there, with a password."),
        CommandHelp.Option(name: "--data-source-password-file", value: "FILE", text: "The password."),
        CommandHelp.Option(
            name: "--data-source-token-file", value: "FILE", text: "Or a token that Grafana sends there as a Bearer."),
        CommandHelp.Option(
            name: "--renew-secrets", value: nil,
            text: "Write these secrets again: Grafana does not show them, so that a new one is not noticed."),
        CommandHelp.Option(
            name: "--data-source", value: "UID", text: "Use this data source of yours, instead of making one."),
        CommandHelp.Option(
            name: "--own-data-source", value: "UID",
            text: "The data source that has Holdfast's own metrics. Default: the tenant's."),
    ]

    static let placeholder = "{tenant}"

    var url: String
    var tenantHeader: String?
    var user: String?
    var password: Secret?
    var token: Secret?

    /// nil: one that is there already is used.
    init?(_ arguments: Arguments) throws(UsageError) {
        let own = [
            "--data-source-url", "--tenant-header", "--data-source-user", "--data-source-password-file",
            "--data-source-token-file",
        ]
        if arguments.value("--data-source") != nil {
            for name in own where arguments.value(name) != nil {
                throw UsageError("\(name) is for a data source that is made: it goes without --data-source")
            }
            return nil
        }
        guard let address = arguments.value("--data-source-url") else {
            throw UsageError("where does Grafana find the metrics? give --data-source-url, or --data-source with a uid")
        }
        url = try GrafanaAccess.address(address, "--data-source-url")
        guard !Self.filled(url, tenant: "").contains(where: { "{}".contains($0) }) else {
            throw UsageError("--data-source-url: only {tenant} may stand in braces")
        }
        tenantHeader = arguments.value("--tenant-header")
        if let tenantHeader, !Self.isToken(tenantHeader) || tenantHeader.lowercased() == "authorization" {
            throw UsageError("--tenant-header: \"\(tenantHeader)\" is no name for it")
        }
        user = arguments.value("--data-source-user")
        guard (user == nil) == (arguments.value("--data-source-password-file") == nil) else {
            throw UsageError("--data-source-user and --data-source-password-file go together")
        }
        if user != nil {
            password = try GrafanaAccess.secret(
                arguments.value("--data-source-password-file"), "--data-source-password-file", nil)
        }
        if let file = arguments.value("--data-source-token-file") {
            guard user == nil else {
                throw UsageError("--data-source-user and --data-source-token-file are two ways to log in: give one")
            }
            token = try GrafanaAccess.secret(file, "--data-source-token-file", nil)
        }
    }

    init(url: String) { self.url = url }

    /// RFC 9110 section 5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "!#$%&'*+-.^_`|~".contains($0)) }
    }

    private static func filled(_ url: String, tenant: String) -> String {
        var filled = ""
        var rest = url[...]
        while let range = rest.firstRange(of: placeholder) {
            filled += rest[..<range.lowerBound] + tenant
            rest = rest[range.upperBound...]
        }
        return filled + rest
    }

    /// The data source of a tenant.
    func object(tenant: String, uid: String) -> GrafanaObject {
        let title = "Holdfast: \(tenant)"
        var data: [JSONValue.Member] = [
            JSONValue.Member("managedBy", .string(GrafanaObject.mark)),
            JSONValue.Member("holdfastTenant", .string(tenant)),
            JSONValue.Member("httpMethod", "POST"),
        ]
        var secrets: [(name: String, value: Secret)] = []
        // A name and a value each, by number; one that is no longer wanted is taken away.
        var headers: [(name: String, value: Secret)] = []
        if let tenantHeader { headers.append((tenantHeader, Secret(tenant))) }
        if let token { headers.append(("Authorization", Secret("Bearer \(token.reveal)"))) }
        for number in 1...2 {
            let header = number <= headers.count ? headers[number - 1] : nil
            data.append(JSONValue.Member("httpHeaderName\(number)", header.map { .string($0.name) } ?? .null))
            if let header { secrets.append(("httpHeaderValue\(number)", header.value)) }
        }
        if let password { secrets.append(("basicAuthPassword", password)) }
        let wanted = JSONValue.map([
            "uid": .string(uid), "name": .string(title), "type": "prometheus", "access": "proxy",
            "url": .string(Self.filled(url, tenant: tenant)), "basicAuth": .bool(user != nil),
            "basicAuthUser": .string(user ?? ""), "jsonData": .object(data),
        ])
        return GrafanaObject(
            kind: .dataSource, tenant: tenant, uid: uid, title: title, wanted: wanted, secrets: secrets)
    }
}
