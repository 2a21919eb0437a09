import Testing
import WALStore

@testable import Daemon

/// Who is told that points are kept which nothing sends.
@Suite struct LeftTenantTests {
    private func status(_ tenant: String, pending: [Int64]) -> SpoolStatus {
        var status = SpoolStatus()
        status.tenant = tenant
        status.backends = pending.enumerated().map { index, points in
            var ledger = BackendLedger()
            (ledger.name, ledger.type, ledger.pendingPoints) = ("b\(index)", "archive", points)
            return ledger
        }
        return status
    }

    @Test func `only tenants that left, and only with points that are owed, by the backend that is owed most`() throws {
        let configuration = try ConfigurationTests.parse(
            "backends: { b0: { type: archive } }\ntenants: { here: { backends: [b0] } }")
        let found = LeftTenant.find(
            configuration.spools,
            [
                status("here", pending: [9]), status("left", pending: [3, 2000]), status("done", pending: [0, 0]),
                status("a", pending: [1]), status("bare", pending: []),
            ])
        #expect(found == [LeftTenant(tenant: "a", points: 1), LeftTenant(tenant: "left", points: 2000)])
        var report = ReloadReport(old: configuration, new: configuration)
        report.leftTenants = found
        #expect(report.warnings.count == 2)
        #expect(report.warnings.last?.hasPrefix("tenant left is not in the config, and 2,000 points") == true)
    }
}
