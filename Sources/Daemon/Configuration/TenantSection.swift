import Forwarder
import Metrics
import WALStore

/// `tenants.<id>:` whose data it is, where it goes, and what it may use.
struct TenantSection: Sendable, Hashable {
    var id: String
    var backends: [String]
    /// By backend, in place of the backend's own; nil: all series go there as they are.
    var rules: [String: RouteRules?]
    var credentials: CredentialSection
    var maximumBytes: Int64?
    var maximumAge: Duration?
    var retain: Duration
    var whenFull: WhenFull
    var durability: Durability
    var commitLinger: Duration
    var deadLetterBytes: Int64
    var deadLetterAge: Duration
    var maximumStreams: Int
    var streamAge: Duration
    var maximumKeys: Int
    var keyAge: Duration
    /// With the node's key.
    var keepsChain: Bool

    /// The sections in the file's order; without any, `default` with every backend.
    static func list(_ settings: Settings, backends: [BackendSection]) throws(SettingsError) -> [TenantSection] {
        let names = backends.map(\.name)
        guard settings.has("tenants") else {
            return [try TenantSection("default", Settings(empty: "tenants.default"), backends: names)]
        }
        var all: [TenantSection] = []
        for (id, section) in try settings.namedSections("tenants") {
            do throws(SpoolError) { try TenantID.check(id) } catch {
                throw SettingsError("tenants.\(id): \(error.message)", line: section.line)
            }
            all.append(try TenantSection(id, section, backends: names))
        }
        guard !all.isEmpty else {
            throw SettingsError("tenants must name at least one tenant", line: settings.line(of: "tenants"))
        }
        try checkTokens(all, line: settings.line(of: "tenants"))
        return all
    }

    /// One credential means one tenant: the tenant comes from the credential.
    private static func checkTokens(_ tenants: [TenantSection], line: Int) throws(SettingsError) {
        var tokenOwner: [Secret: String] = [:]
        var userOwner: [String: String] = [:]
        for tenant in tenants {
            for token in tenant.credentials.tokens {
                if let other = tokenOwner.updateValue(tenant.id, forKey: token) {
                    throw SettingsError("tenants \(other) and \(tenant.id) share a token", line: line)
                }
            }
            for user in tenant.credentials.users {
                if let other = userOwner.updateValue(tenant.id, forKey: user.name) {
                    throw SettingsError("tenants \(other) and \(tenant.id) share the user \(user.name)", line: line)
                }
            }
        }
    }

    private init(_ id: String, _ settings: Settings, backends known: [String]) throws(SettingsError) {
        self.id = id
        backends = settings.has("backends") ? try settings.strings("backends") : known
        for (index, name) in backends.enumerated() {
            guard known.contains(name) else {
                let near = Settings.nearest(to: name, in: known).map { "; did you mean \"\($0)\"?" } ?? ""
                throw SettingsError(
                    "tenants.\(id).backends: there is no backend \"\(name)\"\(near)",
                    line: settings.line(of: "backends"))
            }
            guard !backends[..<index].contains(name) else {
                throw SettingsError(
                    "tenants.\(id).backends names \(name) twice", line: settings.line(of: "backends"))
            }
        }
        rules = [:]
        for (name, section) in try settings.namedSections("routes") {
            guard backends.contains(name) else {
                let near = Settings.nearest(to: name, in: backends).map { "; did you mean \"\($0)\"?" } ?? ""
                throw SettingsError(
                    "tenants.\(id).routes: the tenant has no backend \"\(name)\"\(near)", line: section.line)
            }
            rules[name] = .some(try RouteSection.read(section))
        }
        credentials = .none
        if let section = try settings.section("credentials") { credentials = try CredentialSection(section) }
        maximumBytes =
            try settings.has("max_bytes")
            ? Int64(settings.size("max_bytes", default: 0, in: 1 << 20...1 << 50)) : nil
        maximumAge =
            try settings.has("max_age")
            ? settings.duration("max_age", default: .zero, in: .seconds(1)...Self.longest) : nil
        retain = try settings.duration("retain", default: .seconds(86_400), in: .zero...Self.longest)
        whenFull = try settings.choice("when_full", default: WhenFull.reject)
        durability = try settings.choice("durability", default: Durability.full)
        commitLinger = try settings.duration("commit_linger", default: .zero, in: .zero ... .seconds(1))
        let dead = try settings.section("dead_letters") ?? Settings(empty: "tenants.\(id).dead_letters")
        deadLetterBytes = Int64(try dead.size("max_bytes", default: 256 << 20, in: 1 << 20...1 << 50))
        deadLetterAge = try dead.duration(
            "max_age", default: .seconds(30 * 86_400), in: .seconds(1)...Self.longest)
        let streams = try settings.section("streams") ?? Settings(empty: "tenants.\(id).streams")
        maximumStreams = try streams.int("max_count", default: 1000, in: 1...10_000)
        streamAge = try streams.duration("max_age", default: .seconds(7 * 86_400), in: .seconds(60)...Self.longest)
        let keys = try settings.section("idempotency_keys") ?? Settings(empty: "tenants.\(id).idempotency_keys")
        maximumKeys = try keys.int("max_count", default: 10_000, in: 1...1_000_000)
        keepsChain = try settings.bool("chain", default: true)
        keyAge = try keys.duration("max_age", default: .seconds(86_400), in: .seconds(60)...Self.longest)
    }

    /// A hundred years: more is a mistake.
    private static let longest = Duration.seconds(36_500 * 86_400)
}

extension TenantSection {
    /// What the spool needs to know.
    func spoolConfiguration(_ registrations: [BackendRegistration]) -> SpoolConfiguration {
        var spool = SpoolConfiguration(
            tenant: id, backends: registrations.filter { backends.contains($0.name) })
        spool.maximumBytes = maximumBytes
        spool.maximumAgeSeconds = maximumAge?.components.seconds
        spool.retainSeconds = retain.components.seconds
        spool.whenFull = whenFull
        spool.durability = durability
        spool.commitLingerNanoseconds =
            commitLinger.components.attoseconds / 1_000_000_000
            + commitLinger.components.seconds * 1_000_000_000
        spool.deadLetterMaximumBytes = deadLetterBytes
        spool.deadLetterMaximumAgeSeconds = deadLetterAge.components.seconds
        spool.resend.maximumStreams = maximumStreams
        spool.resend.streamSeconds = streamAge.components.seconds
        spool.resend.maximumKeys = maximumKeys
        spool.resend.keySeconds = keyAge.components.seconds
        return spool
    }
}
