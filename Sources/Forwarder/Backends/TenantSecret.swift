/// A credential of all tenants, or one for each: `token` and `tokens: { acme: env:ACME }`, by whatever key.
struct TenantSecret: Sendable {
    private let common: Secret?
    private let own: [String: Secret]

    /// - Parameters:
    ///   - key: of the common one.
    ///   - map: of those by tenant.
    init(_ settings: Settings, _ key: String, map: String) throws(SettingsError) {
        common =
            if let secret = try settings.secret(key) { try HTTPEndpoint.usable(secret, settings, key) } else { nil }
        var own: [String: Secret] = [:]
        if let section = try settings.section(map) {
            for (tenant, _) in try settings.pairs(map) {
                guard let secret = try section.secret(tenant) else { continue }
                own[tenant] = try HTTPEndpoint.usable(secret, section, tenant)
            }
        }
        self.own = own
    }

    var isEmpty: Bool { common == nil && own.isEmpty }

    /// nil where the tenant has none.
    func callAsFunction(_ tenant: String) -> Secret? { own[tenant] ?? common }
}
