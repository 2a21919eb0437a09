import Forwarder

/// One entry of `scrape:`: targets that are asked for their metrics, through the same path as what is sent in.
struct ScrapeSection: Sendable, Hashable {
    /// The `job` label.
    var job: String
    /// `host:port`, or a URL.
    var targets: [String]
    /// Files of targets, re-read when they change: <https://prometheus.io/docs/guides/file-sd/>.
    var fileDiscovery: [String]
    var interval: Duration
    var timeout: Duration
    /// Added to every series.
    var labels: [Pair]
    var tenant: String
    var metricsPath: String
    var scheme: Scheme
    /// Whether a label of the target wins over one of ours.
    var honorsLabels = false
    var authentication = HTTPRequest.Authentication.none
    var tls = TLSOptions()

    enum Scheme: String, Sendable, CaseIterable { case http, https }
    struct Pair: Sendable, Hashable {
        var name: String
        var value: String
    }

    static func list(_ settings: Settings, tenants: [TenantSection]) throws(SettingsError) -> [ScrapeSection] {
        var all: [ScrapeSection] = []
        for section in try settings.listedSections("scrape") { all.append(try ScrapeSection(section, tenants)) }
        for (index, job) in all.enumerated() where all[..<index].contains(where: { $0.job == job.job }) {
            throw SettingsError("scrape has two jobs named \"\(job.job)\"", line: settings.line(of: "scrape"))
        }
        return all
    }

    private init(_ settings: Settings, _ tenants: [TenantSection]) throws(SettingsError) {
        job = try settings.required("job")
        targets = try settings.strings("targets")
        fileDiscovery = try settings.strings("file_sd")
        guard !targets.isEmpty || !fileDiscovery.isEmpty else {
            throw SettingsError("\(settings.path) needs targets or file_sd", line: settings.line)
        }
        interval = try settings.duration("interval", default: .seconds(15), in: .seconds(1) ... .seconds(86_400))
        timeout = try settings.duration(
            "timeout", default: min(.seconds(10), interval), in: .milliseconds(100) ... .seconds(3600))
        guard timeout <= interval else {
            throw SettingsError(
                "\(settings.path).timeout must not be longer than its interval", line: settings.line(of: "timeout"))
        }
        labels = try settings.pairs("labels").map { Pair(name: $0.0, value: $0.1) }
        metricsPath = try settings.string("metrics_path") ?? "/metrics"
        scheme = try settings.choice("scheme", default: Scheme.http)
        honorsLabels = try settings.bool("honor_labels", default: false)
        authentication = try Self.authentication(settings)
        tls = try Self.tls(settings)
        tenant = try Self.tenant(settings, tenants)
    }

    /// `bearer_token: file:...`, or `basic_auth: { username, password: file:... }`.
    private static func authentication(_ settings: Settings) throws(SettingsError) -> HTTPRequest.Authentication {
        if let token = try settings.secret("bearer_token") { return .bearer(token) }
        guard let basic = try settings.section("basic_auth") else { return .none }
        let user = try basic.required("username")
        guard let password = try basic.secret("password") else {
            throw SettingsError("\(basic.path).password is missing", line: basic.line)
        }
        return .basic(user: user, password: password)
    }

    private static func tls(_ settings: Settings) throws(SettingsError) -> TLSOptions {
        guard let section = try settings.section("tls") else { return TLSOptions() }
        return TLSOptions(
            caFile: try section.string("ca_file"), certFile: try section.string("cert_file"),
            keyFile: try section.string("key_file"), serverName: try section.string("server_name"),
            insecureSkipVerify: try section.bool("insecure_skip_verify", default: false))
    }

    private static func tenant(_ settings: Settings, _ tenants: [TenantSection]) throws(SettingsError) -> String {
        guard let name = try settings.string("tenant") else {
            guard tenants.count == 1 else {
                throw SettingsError("\(settings.path).tenant is missing: there are several", line: settings.line)
            }
            return tenants[0].id
        }
        guard tenants.contains(where: { $0.id == name }) else {
            let near = Settings.nearest(to: name, in: tenants.map(\.id)).map { "; did you mean \"\($0)\"?" } ?? ""
            throw SettingsError(
                "\(settings.path).tenant: there is no tenant \"\(name)\"\(near)", line: settings.line(of: "tenant"))
        }
        return name
    }
}

extension ScrapeSection {
    private init(job: String, targets: [String], tenant: String) {
        self.job = job
        self.targets = targets
        fileDiscovery = []
        interval = .seconds(15)
        timeout = .seconds(10)
        labels = []
        metricsPath = "/metrics"
        scheme = .http
        self.tenant = tenant
    }

    /// The node's own metrics, so that something real flows from the first second.
    static func ownMetrics(_ listen: ListenAddress, tenant: String) -> ScrapeSection? {
        guard case .tcp = listen else { return nil }
        return ScrapeSection(job: "holdfast", targets: [listen.description], tenant: tenant)
    }

    /// The targets that `holdfast run` was given as arguments.
    static func commandLine(_ targets: [String], tenants: [TenantSection]) throws(SettingsError) -> ScrapeSection? {
        guard !targets.isEmpty else { return nil }
        guard tenants.count == 1 else {
            throw SettingsError("targets on the command line need a config with one tenant", line: 0)
        }
        return ScrapeSection(job: "command_line", targets: targets, tenant: tenants[0].id)
    }
}
