import Testing
import WALStore

@testable import Daemon

@Suite struct TypeChangeTests {
    private func status(_ tenant: String, _ backends: [(String, String)]) -> SpoolStatus {
        var status = SpoolStatus()
        status.tenant = tenant
        status.backends = backends.map { name, type in
            var ledger = BackendLedger()
            (ledger.name, ledger.type) = (name, type)
            return ledger
        }
        return status
    }

    @Test func `a name that has another type than its books is found, also a former one`() {
        var heir = BackendRegistration(name: "new", type: "kafka")
        heir.renamedFrom = "old"
        let spools = [
            SpoolConfiguration(
                tenant: "acme", backends: [BackendRegistration(name: "central", type: "influxdb"), heir]),
            SpoolConfiguration(tenant: "sound", backends: [BackendRegistration(name: "central", type: "influxdb")]),
            SpoolConfiguration(tenant: "fresh", backends: [BackendRegistration(name: "central", type: "influxdb")]),
        ]
        let found = TypeChange.find(
            spools,
            [
                status("acme", [("central", "archive"), ("old", "mqtt")]),
                status("sound", [("central", "influxdb"), ("gone", "archive")]),
            ])
        #expect(
            found == [
                TypeChange(tenant: "acme", backend: "central", known: "archive", configured: "influxdb"),
                TypeChange(tenant: "acme", backend: "old", known: "mqtt", configured: "kafka"),
            ])
    }
}
