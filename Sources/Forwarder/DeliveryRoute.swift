import WALStore

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
    /// Which series go, and under which labels; nil: all, as they are.
    public var router: SeriesRouter?

    public static let defaultMaximumInFlight = 32

    public init(
        tenant: String, name: String, backend: any Backend, weight: Double = 1,
        maximumInFlight: Int = DeliveryRoute.defaultMaximumInFlight, order: DeliveryOrder = .oldestFirst,
        router: SeriesRouter? = nil
    ) {
        precondition(weight > 0 && maximumInFlight > 0, "the config's reader admits only positive shares and limits")
        self.tenant = tenant
        self.name = name
        self.backend = backend
        self.weight = weight
        self.maximumInFlight = maximumInFlight
        self.order = order
        self.router = router
    }
}

extension DeliveryRoute {
    /// Bodies go out as they came, so that rules have nothing to look at.
    var takesBodies: Bool { backend.takesBodies && router == nil }

    /// What of a lease goes out.
    func routed(_ lease: Lease, _ context: DeliveryContext) async -> RoutedLease {
        guard let router else { return RoutedLease(lease) }
        await context.encoding.acquire(tenant, weight: weight)
        defer { context.encoding.release() }
        return router.route(lease)
    }

    /// All of these points as one request, for whoever wants to know what would be sent.
    ///
    /// - Returns: how many the rules kept back, too.
    public func chunk(_ pieces: [LeasedPiece]) -> (Chunk, excluded: Int) {
        let lease = Lease(id: LeaseID(life: 0, number: 0), backend: name, lane: .replay, pieces: pieces)
        let routed = router?.route(lease) ?? RoutedLease(lease)
        let runs = pieces.indices.map { LeasedRun(piece: $0, ordinals: pieces[$0].ordinals) }
        let chunk = routed.chunk(tenant, runs)
        return (chunk, runs.points - chunk.points)
    }
}
