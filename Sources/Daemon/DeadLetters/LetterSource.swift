import Metrics
import WALStore

/// What can be listed.
enum LetterKind: Sendable {
    /// What a backend would not take.
    case dead
    /// What a backend is assumed to have.
    case assumed
}

/// Where dead letters are read: in the spools of a node, which runs or does not.
protocol LetterSource: Sendable {
    /// Tenants that may have some, by name.
    func tenants(with kind: LetterKind) async -> [String]
    func assumedPage(
        _ tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> AssumedDeliveryPage
    func page(
        _ tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> DeadLetterPage
    func letter(_ id: LetterID) async throws(SpoolError) -> DeadLetterWithPoint?
}

extension LetterSource {
    /// The next letters of all tenants that are asked for, as the admin API says them:
    /// `{"letters": […], "next": "acme/17"}`; without `next` it was the last page. A page may have no letter and a next
    /// one: looking takes time. What is assumed is said as `deliveries`.
    func page(_ request: LetterRequest, _ kind: LetterKind = .dead) async throws(SpoolError) -> JSONValue {
        let tenants = if let tenant = request.tenant { [tenant] } else { await tenants(with: kind) }
        let left = tenants.filter { $0 >= request.after?.tenant ?? "" }
        let deadline = ContinuousClock.now + .seconds(2)
        for (index, tenant) in left.enumerated() {
            let after = request.after.map { $0.tenant == tenant ? $0.number : 0 } ?? 0
            let (found, following) = try await rows(kind, tenant, request, after: after)
            var next = following.map { LetterID(tenant: tenant, number: $0) }
            if next == nil, index + 1 < left.count { next = LetterID(tenant: left[index + 1], number: 0) }
            guard found.isEmpty, following == nil, ContinuousClock.now < deadline else {
                return .map([kind.key: .array(found), "next": next.map { .string($0.description) }])
            }
        }
        return .map([kind.key: []])
    }

    private func rows(
        _ kind: LetterKind, _ tenant: String, _ request: LetterRequest, after: Int64
    ) async throws(SpoolError) -> ([JSONValue], next: Int64?) {
        let limit = DeadLetterLimit(letters: request.limit)
        switch kind {
        case .dead:
            let page = try await page(tenant, request.filter, after: after, limit)
            return (page.letters.map { $0.json(tenant: tenant) }, page.next)
        case .assumed:
            let page = try await assumedPage(tenant, request.filter, after: after, limit)
            return (page.deliveries.map { $0.json(tenant: tenant) }, page.next)
        }
    }
}

extension LetterKind {
    /// Of the member that holds them.
    var key: String {
        switch self {
        case .dead: "letters"
        case .assumed: "deliveries"
        }
    }

    /// Where the admin API has them.
    var path: String {
        switch self {
        case .dead: "/v1/dead"
        case .assumed: "/v1/dead/assumed"
        }
    }
}

extension StoppedSpools: LetterSource {
    func tenants(with kind: LetterKind) async -> [String] { tenants }

    func assumedPage(
        _ tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> AssumedDeliveryPage {
        try await assumedDeliveries(tenant: tenant, filter, after: after, limit)
    }

    func page(
        _ tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> DeadLetterPage {
        try await deadLetters(tenant: tenant, filter, after: after, limit)
    }

    func letter(_ id: LetterID) async throws(SpoolError) -> DeadLetterWithPoint? {
        try await deadLetter(tenant: id.tenant, id.number)
    }
}

extension WALStore: LetterSource {
    /// Spools that say of themselves that they have none stay closed.
    func tenants(with kind: LetterKind) async -> [String] {
        let outdated = outdated()
        return await statuses().filter { status in
            outdated.contains(status.tenant)
                || status.backends.contains { kind == .dead ? $0.deadPoints > 0 : $0.assumedPoints > 0 }
        }.map(\.tenant).sorted()
    }

    func assumedPage(
        _ tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> AssumedDeliveryPage {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.assumedDeliveries(filter, after: after, limit)
        }
    }

    func page(
        _ tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> DeadLetterPage {
        try await withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.deadLetters(filter, after: after, limit)
        }
    }

    func letter(_ id: LetterID) async throws(SpoolError) -> DeadLetterWithPoint? {
        try await withSpool(id.tenant) { (spool) async throws(SpoolError) in try await spool.deadLetter(id.number) }
    }
}
