/// Memory that requests waiting for a commit may take, over all tenants: a value, kept in the store's mutex.
struct IngestBudget: Sendable {
    let maximumBytes: Int
    /// No tenant has more than half, so that one whose disk stalls leaves room for the others.
    var maximumTenantBytes: Int { maximumBytes / 2 }

    private(set) var bytes = 0
    private var tenants: [String: Int] = [:]

    init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    /// Takes room for a request; false when there is none. One that is alone is always let in: the limits of a request
    /// bound it, and it could never pass otherwise.
    mutating func admit(_ requestBytes: Int, tenant: String) -> Bool {
        let held = tenants[tenant, default: 0]
        guard bytes == 0 || bytes + requestBytes <= maximumBytes else { return false }
        guard held == 0 || held + requestBytes <= maximumTenantBytes else { return false }
        bytes += requestBytes
        tenants[tenant] = held + requestBytes
        return true
    }

    mutating func end(_ requestBytes: Int, tenant: String) {
        bytes -= requestBytes
        let held = tenants[tenant, default: 0] - requestBytes
        tenants[tenant] = held > 0 ? held : nil
    }
}
