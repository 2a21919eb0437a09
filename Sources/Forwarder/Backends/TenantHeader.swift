/// A header that says whose points a request has: `tenant_header` and `tenant_value` (`{tenant}`).
struct TenantHeader: Sendable {
    private let name: String
    private let value: TenantTemplate

    /// - Parameters:
    ///   - reserved: headers that the protocol sets, in lower case.
    ///   - usual: the header when the config names none.
    init?(
        _ settings: Settings, _ endpoint: HTTPEndpoint, reserved: Set<String>, usual: String? = nil
    ) throws(SettingsError) {
        let header = try settings.string("tenant_header") ?? usual
        value = try TenantTemplate(settings, "tenant_value") ?? TenantTemplate(TenantTemplate.placeholder)
        guard let header else { return nil }
        name = header
        let lower = header.lowercased()
        let line = settings.line(of: "tenant_header")
        guard HTTPRequest.isHeader(name: header, value: value.text) else {
            throw SettingsError("\(settings.name(of: "tenant_header")): \"\(header)\" is no HTTP header", line: line)
        }
        guard !reserved.contains(lower), !endpoint.headers.contains(where: { $0.name.lowercased() == lower }),
            !["authorization", "content-type", "content-encoding", "user-agent", "host"].contains(lower)
        else {
            throw SettingsError(
                "\(settings.name(of: "tenant_header")): \"\(header)\" is set elsewhere already", line: line)
        }
    }

    func callAsFunction(_ tenant: String) -> (name: String, value: String) { (name, value(tenant)) }
}
