import Forwarder
import Metrics

/// Who may write as a tenant.
struct AccessRule: Sendable, Hashable {
    struct User: Sendable, Hashable {
        var name: String
        var password: Secret
    }
    var tenant: String
    /// Bearer tokens (RFC 6750), InfluxDB's `Token`, and passwords of InfluxDB's compatibility login.
    var tokens: [Secret] = []
    /// Basic credentials (RFC 7617), also as InfluxDB's `u` and `p` parameters.
    var users: [User] = []
}

/// What taking in may cost.
struct IngestLimits: Sendable, Hashable {
    /// Of one body, decompressed and decoded.
    var wire = WireLimits.standard
    /// Of one body as it comes over the wire.
    var bodyBytes = 32 << 20
    /// Between HTTP and disk, all tenants together: 503 beyond it.
    var nodeMemoryBytes = 64 << 20
    /// The same for one tenant, so that one cannot take it all.
    var tenantMemoryBytes = 48 << 20
    /// A stream of lines is committed in slices of about this size, decompressed.
    var sliceBytes = 1 << 20

    init() {}
}

/// All that a reload may change.
struct IngestSettings: Sendable, Hashable {
    var tenants: [String]
    var access: [AccessRule] = []
    /// The one tenant that needs no credentials from this machine; nil when there are several or it has credentials.
    var openTenant: String?
    var limits = IngestLimits()
    /// What InfluxDB clients are told we are.
    var version: String

    init(tenants: [String], openTenant: String? = nil, version: String) {
        self.tenants = tenants
        self.openTenant = openTenant
        self.version = version
    }
}
