import Foundation
import Metrics
import TestSupport
import Testing
import WALStore

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

    @Test func `a reload names backlogs that nothing sends, some of very many, and the way out`() throws {
        let old = try ConfigurationTests.parse(ConfigurationTests.backend)
        var report = ReloadReport(old: old, new: old)
        report.backlogs = [BacklogOfNobody(tenant: "t2", backend: "a", points: 3850)]
        let line = try #require(report.warnings.first)
        #expect(report.warnings.count == 1)
        for part in ["tenant t2", "backend a", "3,850 points", "`renamed_from: a`"] { #expect(line.contains(part)) }
        #expect(report.json["warnings"]?.array?.first?.string == line)
        report.backlogs = (0..<23).map { BacklogOfNobody(tenant: "t\($0)", backend: "a", points: 1) }
        #expect(report.warnings.count == 21 && report.warnings.last == "and 3 more such backlogs")
    }

    @Test func `a reload is of the node's own file, under any name, and names it`() throws {
        let folder = try TemporaryFolder()
        let (own, other, link) = (folder.path + "/own.yml", folder.path + "/other.yml", folder.path + "/link.yml")
        for path in [own, other] { try "".write(toFile: path, atomically: true, encoding: .utf8) }
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: own)
        let configuration = try Configuration.load(own)
        #expect(configuration.refusal(toReload: own) == nil)
        #expect(configuration.refusal(toReload: link) == nil)
        #expect(configuration.refusal(toReload: folder.path + "/./own.yml") == nil)
        let refusal = try #require(configuration.refusal(toReload: other))
        #expect(refusal.hasPrefix("the node's config is \(own), not \(other)"), "\(refusal)")
        #expect(try Configuration.load(nil).refusal(toReload: own)?.contains("without a config file") == true)
        let report = ReloadReport(old: configuration, new: configuration)
        #expect(report.json["config"]?.string == own && report.fields["config.file"] == own)
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
