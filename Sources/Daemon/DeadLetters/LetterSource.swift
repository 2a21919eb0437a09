import Metrics
import WALStore

/// Where dead letters are read: in the spools of a node, which runs or does not.
protocol LetterSource: Sendable {
    /// Tenants that may have some, by name.
    func tenantsWithLetters() async -> [String]
    func page(
        _ tenant: String, _ filter: DeadLetterFilter, after: Int64, _ limit: DeadLetterLimit
    ) async throws(SpoolError) -> DeadLetterPage
    func letter(_ id: LetterID) async throws(SpoolError) -> DeadLetterWithPoint?
}

extension LetterSource {
    /// The next letters of all tenants that are asked for, as the admin API says them:
    /// `{"letters": […], "next": "acme/17"}`; without `next` it was the last page. A page may have no letter and a next
    /// one: looking takes time.
    func page(_ request: LetterRequest) async throws(SpoolError) -> JSONValue {
        let tenants = if let tenant = request.tenant { [tenant] } else { await tenantsWithLetters() }
        let left = tenants.filter { $0 >= request.after?.tenant ?? "" }
        let deadline = ContinuousClock.now + .seconds(2)
        for (index, tenant) in left.enumerated() {
            let after = request.after.map { $0.tenant == tenant ? $0.number : 0 } ?? 0
            let page = try await page(tenant, request.filter, after: after, DeadLetterLimit(letters: request.limit))
            var next = page.next.map { LetterID(tenant: tenant, number: $0) }
            if next == nil, index + 1 < left.count { next = LetterID(tenant: left[index + 1], number: 0) }
            guard page.letters.isEmpty, page.next == nil, ContinuousClock.now < deadline else {
                return .map([
                    "letters": .array(page.letters.map { $0.json(tenant: tenant) }),
                    "next": next.map { .string($0.description) },
                ])
            }
        }
        return .map(["letters": []])
    }
}

extension StoppedSpools: LetterSource {
    func tenantsWithLetters() async -> [String] { tenants }

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
    func tenantsWithLetters() async -> [String] {
        let outdated = outdated()
        return await statuses().filter { status in
            outdated.contains(status.tenant) || status.backends.contains { $0.deadPoints > 0 }
        }.map(\.tenant).sorted()
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
