import Forwarder
import Testing

@testable import Daemon

@Suite struct AccessTests {
    private static let rules = [
        AccessRule(
            tenant: "acme", tokens: [Secret("acme-token")], users: [.init(name: "ann", password: Secret("a:b"))]),
        AccessRule(tenant: "beta", tokens: [Secret("beta-token")], users: []),
    ]

    /// `Authorization`, what else names a tenant, the answer's status, and whose spool gets the point.
    struct Case: Sendable, CustomTestStringConvertible {
        var path: String
        var headers: [String]
        var status: Int
        var tenant: String?
        var testDescription: String { "\(path) \(headers) \(status)" }
    }

    static let cases = [
        Case(path: "/write?db=acme", headers: [], status: 401),
        Case(path: "/write?db=acme", headers: ["Authorization: Bearer wrong"], status: 401),
        Case(path: "/write?db=acme", headers: ["Authorization: Bearer acme-toke"], status: 401),
        Case(path: "/write?db=acme", headers: ["Authorization: Nonsense x"], status: 401),
        Case(path: "/write?db=acme", headers: ["Authorization: Basic !!!"], status: 401),
        Case(path: "/write?db=acme", headers: ["Authorization: Bearer acme-token"], status: 204, tenant: "acme"),
        Case(path: "/write?db=acme", headers: ["Authorization: Token acme-token"], status: 204, tenant: "acme"),
        Case(path: "/write?db=acme", headers: ["Authorization: Token ann:a:b"], status: 204, tenant: "acme"),
        // ann:a:b
        Case(path: "/write?db=acme", headers: ["Authorization: Basic YW5uOmE6Yg=="], status: 204, tenant: "acme"),
        // bob:a:b
        Case(path: "/write?db=acme", headers: ["Authorization: Basic Ym9iOmE6Yg=="], status: 401),
        Case(path: "/write?db=acme&u=ann&p=a:b", headers: [], status: 204, tenant: "acme"),
        Case(path: "/write?db=acme&u=ann&p=wrong", headers: [], status: 401),
        Case(path: "/write?db=beta", headers: ["Authorization: Bearer acme-token"], status: 403),
        Case(path: "/write?db=beta", headers: ["Authorization: Bearer beta-token"], status: 204, tenant: "beta"),
        Case(
            path: "/api/v2/write?bucket=acme/rp", headers: ["Authorization: Token acme-token"], status: 204,
            tenant: "acme"),
        Case(path: "/api/v2/write?bucket=beta", headers: ["Authorization: Token acme-token"], status: 403),
        // Version 2 has no login in the address.
        Case(path: "/api/v2/write?bucket=acme&u=ann&p=a:b", headers: [], status: 401),
        Case(
            path: "/write?db=acme", headers: ["Authorization: Bearer acme-token", "X-Scope-OrgID: acme"], status: 204,
            tenant: "acme"),
        Case(
            path: "/write?db=acme", headers: ["Authorization: Bearer acme-token", "X-Scope-OrgID: beta"], status: 403),
        Case(path: "/write?db=acme", headers: ["X-Scope-OrgID: acme"], status: 401),
    ]

    @Test(arguments: cases)
    func `the tenant comes from the credential, and what else names one may only agree`(access: Case) async throws {
        let fixture = try await IngestFixture(tenants: ["acme", "beta"], access: AccessTests.rules)
        let client = try fixture.client()
        let response = try await client.request("POST", access.path, headers: access.headers, body: Array("m v=1".utf8))
        #expect(response.status == access.status)
        if access.status == 401 { #expect(response["www-authenticate"]?.contains("Bearer") == true) }
        for tenant in ["acme", "beta"] {
            #expect(try await fixture.stored(tenant).count == (tenant == access.tenant ? 1 : 0))
        }
        await fixture.close()
    }

    @Test func `without credentials the one tenant is open to this machine only`() throws {
        let table = AccessTable(IngestSettings(tenants: ["only"], openTenant: "only", version: "test"))
        #expect(try table.tenant(of: .none, isLocal: true) == "only")
        #expect(throws: AccessTable.Denial.self) { try table.tenant(of: .none, isLocal: false) }
        #expect(throws: AccessTable.Denial.self) { try table.tenant(of: .none, isLocal: true, named: "other") }
    }

    @Test func `a reload takes effect with the next request`() async throws {
        let fixture = try await IngestFixture(tenants: ["acme"], access: [AccessTests.rules[0]])
        let client = try fixture.client()
        let old = ["Authorization: Bearer acme-token"]
        #expect(try await client.request("POST", "/write?db=x", headers: old, body: Array("m v=1".utf8)).status == 204)
        var settings = IngestSettings(tenants: ["acme"], version: "test")
        settings.access = [AccessRule(tenant: "acme", tokens: [Secret("new")])]
        fixture.ingest.apply(settings)
        #expect(try await client.request("POST", "/write?db=x", headers: old, body: Array("m v=1".utf8)).status == 401)
        let new = ["Authorization: Bearer new"]
        #expect(try await client.request("POST", "/write?db=x", headers: new, body: Array("m v=1".utf8)).status == 204)
        await fixture.close()
    }
}
