import Forwarder
import Metrics
import WALStore

/// `backends.<name>:` one remote system. The backend's own file reads its own keys; these are every backend's.
struct BackendSection: Sendable {
    var name: String
    /// 1-based line of its key; 0 for the built-in one.
    var line: Int
    var registration: BackendRegistration
    var backend: any Backend
    var order: DeliveryOrder
    /// For tenants that have no rules of their own for it.
    var rules: RouteRules?
    /// As it stands in the file: secrets are named, not read.
    var node: SettingsNode
    /// Of the section's text and the secrets it names: a reload replaces what changed, and leaves the rest alone.
    var fingerprint: [String]

    /// The sections in the file's order; without any, the built-in archive.
    ///
    /// - Parameter root: the whole document.
    static func list(
        _ settings: Settings, _ root: SettingsNode, environment: BackendEnvironment,
        readSecret: @escaping (String) throws -> String
    ) throws(SettingsError) -> [BackendSection] {
        guard settings.has("backends"), let node = root.child("backends") else {
            return [try BackendSection("archive", builtIn, environment: environment, readSecret: readSecret)]
        }
        guard !node.entries.isEmpty else {
            throw SettingsError("backends must be a map of at least one backend: name: { type: ... }", line: node.line)
        }
        var all: [BackendSection] = []
        for (name, line, section) in node.entries {
            guard SafeName.isSafe(name) else {
                throw SettingsError("backends.\(name): \(SafeName.rule)", line: line)
            }
            all.append(try BackendSection(name, section, environment: environment, readSecret: readSecret))
        }
        try checkFormerNames(all)
        return all
    }

    /// A ledger has one heir, and none while its backend is still there: the key would be passed over without a word.
    private static func checkFormerNames(_ all: [BackendSection]) throws(SettingsError) {
        let names = Set(all.map(\.name))
        var heirs: [String: String] = [:]
        for section in all {
            guard let former = section.registration.renamedFrom else { continue }
            let key = "backends.\(section.name).renamed_from: \(former)"
            guard !names.contains(former) else {
                throw SettingsError(
                    "\(key) is still a backend of its own; remove its section, or this key", line: section.line)
            }
            if let other = heirs.updateValue(section.name, forKey: former) {
                throw SettingsError("\(key) is what \(other) was already; one of them can be it", line: section.line)
            }
        }
    }

    private static let builtIn = SettingsNode(
        .map([(key: "type", line: 0, value: SettingsNode(.scalar("archive"), line: 0))]), line: 0)

    private init(
        _ name: String, _ node: SettingsNode, environment: BackendEnvironment,
        readSecret: @escaping (String) throws -> String
    ) throws(SettingsError) {
        let settings = try Settings(node, path: "backends.\(name)", readSecret: readSecret)
        self.name = name
        self.node = node
        line = node.line
        try Self.checkRelabeling(node, settings)
        registration = BackendRegistration(name: name, type: try settings.required("type"))
        registration.backfill = try Self.backfill(settings)
        registration.renamedFrom = try settings.string("renamed_from")
        if settings.has("max_age") {
            let age = try settings.duration("max_age", default: .zero, in: .seconds(1) ... .seconds(36_500 * 86_400))
            registration.maximumAgeSeconds = age.components.seconds
        }
        order = try DeliveryOrderSection.read(settings)
        if let section = try settings.section("route") { rules = try RouteSection.read(section) }
        backend = try makeBackend(
            type: registration.type, name: name, settings: settings, environment: environment)
        try DeliveryOrderSection.check(order, backend, settings)
        fingerprint = node.fingerprint(readSecret: readSecret)
    }

    /// What Prometheus calls them.
    private static func checkRelabeling(_ node: SettingsNode, _ settings: Settings) throws(SettingsError) {
        let key = "write_relabel_configs"
        guard let entry = node.entries.first(where: { $0.key == key }) else { return }
        throw SettingsError(
            "\(settings.name(of: key)): here these rules stand in `route: { relabel: [...] }`, in the same form",
            line: entry.line)
    }

    /// `backfill: none | all | 24h`, for a backend that a tenant did not have before.
    private static func backfill(_ settings: Settings) throws(SettingsError) -> BackendRegistration.Backfill {
        switch try settings.string("backfill") {
        case nil, "none": return .none
        case "all": return .all
        case let text?:
            guard let duration = Settings.parseDuration(text) else {
                throw SettingsError(
                    "\(settings.path).backfill: \"\(text)\" is neither none, all nor a duration such as 24h",
                    line: settings.line(of: "backfill"))
            }
            return .seconds(duration.components.seconds)
        }
    }
}
