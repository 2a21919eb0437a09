/// That a tenant's points go to a backend. The daemon makes the list from the config, at start and at each reload.
public struct DeliveryRoute: Sendable {
    public var tenant: String
    /// The backend's config key: its identity in the ledger.
    public var name: String
    public var backend: any Backend
    /// How large the tenant's share of this backend's turns is, beside other tenants.
    public var weight: Double
    /// Requests in flight to this backend, all tenants together. Where routes differ, the first one counts.
    public var maximumInFlight: Int
    public var order: DeliveryOrder

    public static let defaultMaximumInFlight = 32

    public init(
        tenant: String, name: String, backend: any Backend, weight: Double = 1,
        maximumInFlight: Int = DeliveryRoute.defaultMaximumInFlight, order: DeliveryOrder = .oldestFirst
    ) {
        precondition(weight > 0 && maximumInFlight > 0, "the config's reader admits only positive shares and limits")
        self.tenant = tenant
        self.name = name
        self.backend = backend
        self.weight = weight
        self.maximumInFlight = maximumInFlight
        self.order = order
    }
}
