import Forwarder
import WALStore

/// Everything a node is told, read and checked: one file a section.
struct Configuration: Sendable {
    /// nil: the built-in defaults.
    var file: String?
    var dataDirectory: String
    var server: ServerSection
    var backends: [BackendSection]
    var tenants: [TenantSection]
    var scrapeJobs: [ScrapeSection]
    var node: NodeConfiguration
    var chain: ChainSection
    var log: LogSection
    /// nil: nobody is told what is wrong with the node.
    var alertmanager: AlertmanagerSection?
    /// What is allowed but probably not meant.
    var warnings: [String] = []

    static let defaultDataDirectory = "./holdfast-data"

    /// One tenant without credentials: requests from loopback need none.
    var isOpen: Bool { tenants.count == 1 && tenants[0].credentials.isEmpty }
    var openTenant: String? { isOpen ? tenants[0].id : nil }

    var adminAddress: ListenAddress { server.admin ?? .unix(path: "\(dataDirectory)/admin.sock") }

    func backend(_ name: String) -> BackendSection? { backends.first { $0.name == name } }
}

extension Configuration {
    /// What the command line says on top of the file.
    struct Overrides: Sendable {
        var dataDirectory: String?
        /// Hears what the backends have to say.
        var events: EventSink = { _ in }
        /// Counts the files that backends keep in the data folder, once a node runs on it.
        var space = FileSpace()
        /// What is shown to scrapers, over all configs that a node has.
        var board = ExpositionBoard()
        /// Targets to scrape, `host:port` or URLs.
        var targets: [String] = []

        init(dataDirectory: String? = nil, targets: [String] = [], events: @escaping EventSink = { _ in }) {
            self.dataDirectory = dataDirectory
            self.targets = targets
            self.events = events
        }
    }

    /// Reads a config file, or the built-in defaults when `path` is nil.
    static func load(_ path: String?, _ overrides: Overrides = Overrides()) throws(ConfigurationError) -> Configuration
    {
        guard let path else { return try standalone(overrides) }
        let bytes: [UInt8]
        do { bytes = try SystemFile.read(path, limit: YAMLLimits.standard.bytes) } catch {
            throw ConfigurationError(file: nil, "the config cannot be read: \(error)")
        }
        return try parse(bytes, file: path, overrides)
    }

    /// - Parameter readSecret: turns `file:...` or `env:...` into the secret.
    static func parse(
        _ bytes: [UInt8], file: String?, _ overrides: Overrides = Overrides(),
        readSecret: @escaping (String) throws -> String = Settings.systemSecret
    ) throws(ConfigurationError) -> Configuration {
        do throws(SettingsError) {
            let root = try YAMLReader.read(bytes)
            return try Configuration(root, file: file, overrides, readSecret: readSecret)
        } catch {
            throw ConfigurationError(file: file, error)
        }
    }

    /// `holdfast run` without a config: tenant `default`, backend `archive`, scraping its own metrics.
    private static func standalone(_ overrides: Overrides) throws(ConfigurationError) -> Configuration {
        var configuration = try parse([], file: nil, overrides)
        if let own = ScrapeSection.ownMetrics(configuration.server.listen, tenant: configuration.tenants[0].id) {
            configuration.scrapeJobs.insert(own, at: 0)
        }
        return configuration
    }

    private init(
        _ root: SettingsNode, file: String?, _ overrides: Overrides,
        readSecret: @escaping (String) throws -> String
    ) throws(SettingsError) {
        let settings = try Settings(root, path: "", readSecret: readSecret)
        let configured = try settings.string("data_dir")
        self.file = file
        dataDirectory = overrides.dataDirectory ?? configured ?? Configuration.defaultDataDirectory
        server = try ServerSection(try settings.section("server") ?? Settings(empty: "server"))
        log = try LogSection(try settings.section("log") ?? Settings(empty: "log"))
        node = try NodeConfiguration(try settings.section("node") ?? Settings(empty: "node"))
        chain = try ChainSection(try settings.section("chain") ?? Settings(empty: "chain"))
        node.chainMemoryFile = chain.memoryFile
        let environment = BackendEnvironment(
            dataDirectory: dataDirectory, space: overrides.space, board: overrides.board, events: overrides.events)
        backends = try BackendSection.list(settings, root, environment: environment, readSecret: readSecret)
        tenants = try TenantSection.list(settings, backends: backends)
        scrapeJobs = try ScrapeSection.list(settings, tenants: tenants)
        if let section = try settings.section("alertmanager"), let node = root.child("alertmanager") {
            alertmanager = try AlertmanagerSection(section, node, readSecret: readSecret)
        }
        try settings.finish()
        if let job = try ScrapeSection.commandLine(overrides.targets, tenants: tenants) { scrapeJobs.append(job) }
        try checkAccess(settings)
        try checkFolders()
        warnings = findWarnings()
    }

    /// Whoever can reach a port must prove who they are, unless that is this machine's own users only.
    private func checkAccess(_ settings: Settings) throws(SettingsError) {
        guard server.listen.isLocal || tenants.contains(where: { !$0.credentials.isEmpty }) else {
            throw SettingsError(
                "server.listen: \(server.listen) can be reached from other machines and no tenant has credentials; "
                    + "add tenants.<id>.credentials, or listen on 127.0.0.1", line: server.listenLine)
        }
    }

    /// Of two backends with one folder the second would wait for the first one's lock for ever.
    private func checkFolders() throws(SettingsError) {
        let folders = Dictionary(
            backends.compactMap { section in section.backend.folder.map { (section.name, PlainPath.of($0)) } },
            uniquingKeysWith: { first, _ in first })
        for tenant in tenants {
            var owners: [String: String] = [:]
            for name in tenant.backends {
                guard let folder = folders[name], let other = owners.updateValue(name, forKey: folder) else { continue }
                throw SettingsError(
                    "backends.\(name).path: \(folder) is the folder of backend \(other) too, and tenant \(tenant.id) has "
                        + "both; give each its own", line: backend(name)?.line ?? 0)
            }
        }
    }
}
