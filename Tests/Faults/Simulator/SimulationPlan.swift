import Forwarder
import WALStore

/// The config of the simulated node, as its operator changes it.
struct SimulationPlan {
    struct Destination {
        var name: String
        var type: String
        /// Which server its url names.
        var server: Int
        var formerName: String?
        /// Of a rename that the config has not told of yet.
        var untoldName: String?
        var backfill = BackendRegistration.Backfill.none
    }

    struct Tenant {
        var name: String
        var backends: [String]
        var whenFull = WhenFull.reject
        var maximumBytes: Int64?
        var ageSeconds: Int64?
        var retainSeconds: Int64 = 86_400
        var lingerNanoseconds: Int64 = 0
        var deadLetterSeconds: Int64 = 30 * 86_400
        /// Of its requests: how many points at most, and how many bytes that do not compress travel with them.
        var points = 60
        var bulkBytes = 0
        var series = 5
    }

    var backends: [Destination]
    var tenants: [Tenant]
    /// What is out of the config and may come back.
    var removedBackends: [(backend: Destination, tenants: [String])] = []
    var removedTenants: [Tenant] = []
    /// Of half of the tenants, in some runs: their chains have to hold at each look.
    var chain: ChainKey?
    /// Breaks P1 on purpose, for the self-check.
    var durability = Durability.full
    /// Of every backend.
    var order = DeliveryOrder.oldestFirst
    private var names = 0

    static let types = ["prometheus_remote_write", "influxdb", "elasticsearch"]

    init(addServer: (String) -> Int) {
        backends = SimulationPlan.types.enumerated().map { index, type in
            Destination(name: "backend-\(index)", type: type, server: addServer(type))
        }
        names = backends.count
        let all = backends.map(\.name)
        tenants = [
            Tenant(name: "steady", backends: all),
            Tenant(name: "lingering", backends: [all[0], all[2]], lingerNanoseconds: 200_000_000, series: 1),
            Tenant(
                name: "oldest", backends: [all[0], all[1]], whenFull: .dropOldest, maximumBytes: 2400 << 10, points: 20,
                bulkBytes: 120 << 10),
            Tenant(
                name: "newest", backends: [all[1], all[2]], whenFull: .dropNewest, maximumBytes: 2400 << 10, points: 20,
                bulkBytes: 120 << 10),
            Tenant(
                name: "aging", backends: [all[0], all[2]], whenFull: .reject, maximumBytes: 2400 << 10,
                ageSeconds: 3600, retainSeconds: 600, points: 30, bulkBytes: 60 << 10),
        ]
    }

    mutating func newName() -> String {
        names += 1
        return "backend-\(names - 1)"
    }

    func backend(_ name: String) -> Destination? { backends.first { $0.name == name } }

    func keepsChain(_ tenant: String) -> Bool { chain != nil && tenant.utf8.count % 2 == 0 }

    var spools: [SpoolConfiguration] {
        tenants.map { tenant in
            var spool = SpoolConfiguration(
                tenant: tenant.name,
                backends: tenant.backends.compactMap { backend($0) }.map {
                    BackendRegistration(
                        name: $0.name, type: $0.type, backfill: $0.backfill, renamedFrom: $0.formerName)
                }, maximumBytes: tenant.maximumBytes, maximumAgeSeconds: tenant.ageSeconds,
                retainSeconds: tenant.retainSeconds, whenFull: tenant.whenFull, durability: durability,
                commitLingerNanoseconds: tenant.lingerNanoseconds,
                deadLetterMaximumAgeSeconds: tenant.deadLetterSeconds)
            if keepsChain(tenant.name) { spool.chain = chain }
            return spool
        }
    }

    /// - Parameter made: backends of the process, kept while their section stays as it was.
    func routes(_ made: inout [String: any Backend]) -> [DeliveryRoute] {
        var kept: [String: any Backend] = [:]
        for backend in backends {
            let key = "\(backend.name) \(backend.server)"
            kept[key] = made[key] ?? SimulationPlan.make(backend)
        }
        made = kept
        return tenants.flatMap { tenant in
            tenant.backends.compactMap { name in
                backend(name).flatMap { backend in
                    kept["\(backend.name) \(backend.server)"].map {
                        DeliveryRoute(tenant: tenant.name, name: name, backend: $0, order: order)
                    }
                }
            }
        }
    }

    private static func make(_ backend: Destination) -> any Backend {
        let url = "http://server-\(backend.server)"
        let values =
            switch backend.type {
            case "prometheus_remote_write":
                [
                    "url": url + "/api/v1/write", "tenant_header": "X-Scope-OrgID", "max_points": "40",
                    "concurrency": "3",
                ]
            case "influxdb": ["url": url, "database": "{tenant}", "max_points": "50"]
            default: ["url": url, "index": "metrics-{tenant}", "max_points": "30"]
            }
        let entries = values.sorted { $0.key < $1.key }.map {
            (key: $0.key, line: 1, value: SettingsNode(.scalar($0.value), line: 1))
        }
        do throws(SettingsError) {
            let settings = try Settings(SettingsNode(.map(entries), line: 1), path: "backends.\(backend.name)")
            return try makeBackend(type: backend.type, name: backend.name, settings: settings)
        } catch {
            preconditionFailure("these settings are valid: \(error)")
        }
    }
}
