import Metrics

/// Where a tenant's requests go, and as whom: `{tenant}` may stand in `url` and in `basic_auth.username`, and a header may
/// carry the tenant (`TenantHeader`).
struct RemoteWriteTarget: Sendable {
    let endpoint: HTTPEndpoint
    private let url: TenantTemplate
    private let user: TenantTemplate?
    private let header: TenantHeader?

    /// Headers a sender must not let its user change.
    /// <https://prometheus.io/docs/specs/prw/remote_write_spec/#protocol>
    private static let reserved: Set<String> = [
        "x-prometheus-remote-write-version", "x-victoriametrics-remote-write-version", "retry-attempt",
    ]

    init(_ settings: Settings, _ preset: RemoteWritePreset?) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: Self.reserved)
        header = try TenantHeader(settings, endpoint, reserved: Self.reserved, usual: preset?.tenantHeader)
        url = try TenantTemplate(settings, "url") ?? TenantTemplate(endpoint.url)
        if case .basic(let name, _) = endpoint.authentication {
            user = TenantTemplate(name)
        } else {
            user = nil
        }
        try preset?.check(endpoint, settings)
    }

    func post(_ body: [UInt8], of tenant: String, headers: [(name: String, value: String)]) -> HTTPRequest {
        let headers = header.map { headers + [$0(tenant)] } ?? headers
        guard url.namesTenant || user?.namesTenant == true else { return endpoint.post(body, headers: headers) }
        var theirs = endpoint
        theirs.url = url(PercentEncoding.encode(tenant))
        if let user, case .basic(_, let password) = endpoint.authentication {
            theirs.authentication = .basic(user: user(tenant), password: password)
        }
        return theirs.post(body, headers: headers)
    }
}
