import Testing

@testable import Daemon

@Suite struct ReloadReportTests {
    @Test func `a reload names what came, went and changed, and what waits for a restart`() throws {
        let old = try ConfigurationTests.parse(
            """
            backends:
              a: { type: prometheus_remote_write, url: "http://x/1" }
              b: { type: prometheus_remote_write, url: "http://x/2" }
            tenants:
              one: { backends: [a] }
            """)
        let new = try ConfigurationTests.parse(
            """
            server: { threads: 3 }
            backends:
              a: { type: prometheus_remote_write, url: "http://x/other" }
              c: { type: prometheus_remote_write, url: "http://x/3" }
            tenants:
              one: { backends: [a], retain: 1h }
              two: { backends: [c] }
            """)
        let report = ReloadReport(old: old, new: new)
        #expect(
            report.changes == [
                "backend a changed", "backend c added", "backend b removed", "tenant one changed", "tenant two added",
            ])
        #expect(report.needsRestart == ["server.threads"])
        #expect(ReloadReport(old: old, new: old).changes.isEmpty)
    }

    @Test func `what needs a restart keeps its old value`() throws {
        let old = try ConfigurationTests.parse(ConfigurationTests.backend)
        var new = try ConfigurationTests.parse(
            ConfigurationTests.backend + "server: { threads: 9 }\nnode: { open_spools: 3 }\n")
        new.keepWhatNeedsRestart(of: old)
        #expect(new.server.threads == old.server.threads)
        #expect(new.node == old.node)
    }
}
