import Forwarder
import Metrics
import Synchronization
import TestSupport
import Testing
import WALStore

@testable import Daemon

/// The whole way: what a node looks like, what it hears, and what an Alertmanager gets.
@Suite(.timeLimit(.minutes(2)))
struct AlertWatchTests {
    private static func section(_ url: String, _ more: String = "") throws -> AlertmanagerSection {
        let text = "alertmanager: { urls: [\"\(url)\"]\(more) }\n" + ConfigurationTests.backend
        return try #require(try ConfigurationTests.parse(text).alertmanager)
    }

    private static func look(refusal: String? = nil) -> AlertLook {
        var spool = SpoolStatus()
        (spool.tenant, spool.refusal) = ("acme", refusal)
        return AlertLook(
            report: StatusReport(
                isRunning: true, dataDirectory: "x", tenants: [StatusReport.Tenant(spool, lanes: [], pointsIn: 0)]),
            failing: [:])
    }

    private static func names(_ request: HTTPTestServer.Request) throws -> [String] {
        try JSONValue.parse(request.body).array?.compactMap { $0["labels"]?["alertname"]?.string } ?? []
    }

    @Test func `what is so and what has happened is told at once, and again after the interval`() async throws {
        let server = try HTTPTestServer { _, _ in .reply(200) }
        let ticks = AsyncStream<Void>.makeStream()
        let slept = Recorder<Duration>()
        let stream = ticks.stream
        let refusal = Mutex<String?>("full")
        let watch = AlertWatch(events: { _ in }) { duration in
            slept.record(duration)
            for await _ in stream { return }
            throw CancellationError()
        }
        watch.hear(Event(.error, "the disk is full: the ballast was released"))
        watch.start(try Self.section(server.url, ", interval: 45s")) {
            Self.look(refusal: refusal.withLock { $0 })
        }
        await server.received(1)
        #expect(try Self.names(server.requests[0]) == ["HoldfastDiskFull", "HoldfastSpoolRefusing"])
        #expect(await slept.first { _ in true } == .seconds(45))
        refusal.withLock { $0 = nil }
        ticks.continuation.yield()
        await server.received(2)
        // What is over is told, too.
        #expect(try Self.names(server.requests[1]) == ["HoldfastDiskFull", "HoldfastSpoolRefusing"])
        #expect(watch.status?.firing == 1 && watch.status?.alertmanagers.map(\.url) == [server.url])
        await watch.stop()
    }

    @Test func `a reload to another Alertmanager tells that one what fires, and the former one nothing more`()
        async throws
    {
        let servers = try (0..<2).map { _ in try HTTPTestServer { _, _ in .reply(200) } }
        let watch = AlertWatch(events: { _ in })
        watch.start(try Self.section(servers[0].url)) { Self.look(refusal: "full") }
        await servers[0].received(1)
        watch.apply(try Self.section(servers[0].url))
        watch.apply(try Self.section(servers[1].url))
        await servers[1].received(1)
        let beginnings = try servers.map {
            try JSONValue.parse($0.requests[0].body).array?.first?["startsAt"]?.string
        }
        #expect(beginnings[0] != nil && beginnings[0] == beginnings[1], "it goes on firing")
        watch.apply(nil)
        #expect(watch.status == nil)
        await watch.stop()
        #expect(servers[0].requests.count == 1)
    }

    @Test func `a reload that is refused is an alert until one is taken over`() {
        let watch = AlertWatch(events: { _ in })
        watch.reloaded(refusal: "holdfast.yaml:3: no")
        #expect(watch.configRefusal == "holdfast.yaml:3: no")
        watch.reloaded(refusal: nil)
        #expect(watch.configRefusal == nil)
    }

    @Test func `status, metrics and doctor tell who was told, and who does not listen`() {
        var (well, ill) = (AlertmanagerStatus(url: "http://a"), AlertmanagerStatus(url: "http://b"))
        (well.sentAlerts, well.lastSuccessAt) = (3, 1_790_000_000_250_000_000)
        (ill.failedAlerts, ill.lastError) = (2, "HTTP 503")
        var report = StatusReport(isRunning: true, dataDirectory: "x", tenants: Self.look().report.tenants)
        report.alerts = AlertStatus(firing: 2, leftOut: 1, alertmanagers: [well, ill])
        let text = StatusTable.text(report.json)
        #expect(text.contains("\n2 alerts firing; 1 more are left out, as there is no place for them\n"))
        #expect(text.contains("\nAlertmanager http://b does not take alerts: HTTP 503\n") && !text.contains("http://a"))
        let page = MetricsPage(report: report, lanes: [], telemetry: Telemetry(), connections: 0, heldBytes: 0)
        let lines = String(decoding: page.render(), as: UTF8.self).split(separator: "\n")
        for line in [
            "holdfast_alerts_firing 2", "holdfast_alerts_left_out 1",
            "holdfast_alerts_sent_total{alertmanager=\"http://a\"} 3",
            "holdfast_alerts_failed_total{alertmanager=\"http://b\"} 2",
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
        let findings = Doctor.alertFindings(report.json["alerts"])
        #expect(findings.map(\.level) == [.ok, .warning])
        #expect(Doctor.alertFindings(nil).isEmpty)
    }

    @Test(arguments: [
        ("urls: []", "must name from 1 to 16"), ("url: \"http://a\"", "urls"),
        ("urls: [\"http://a\"], pending_age: 0", "pending_age"), ("urls: [\"http://a\"], holds: 1h", "hold"),
        ("urls: [\"http://a\"], external_labels: { tenant: x }", "label of its own"),
    ])
    func `a mistake in the section is named`(section: String, words: String) {
        let error = ConfigurationTests.error("alertmanager: { \(section) }\n" + ConfigurationTests.backend)
        #expect(error.contains(words), "\(error)")
    }
}
