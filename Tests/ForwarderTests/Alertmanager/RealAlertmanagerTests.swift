import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

/// Against Debian's `prometheus-alertmanager`, two of them in a cluster.
@Suite(.timeLimit(.minutes(5)))
struct RealAlertmanagerTests {
    private final class Peer {
        let url: String
        let clusterPort: Int
        private let port: Int
        private let folder: TemporaryFolder
        private let transport = HTTPTransport()
        private var process: ChildProcess?

        init() throws {
            (port, clusterPort) = (try LoopbackPort.free(), try LoopbackPort.free())
            url = "http://127.0.0.1:\(port)"
            folder = try TemporaryFolder()
        }

        func start(joining other: Peer? = nil) async throws {
            let config = folder.path + "/alertmanager.yml"
            let file = try #require(fopen(config, "w"))
            fputs("route: { receiver: none }\nreceivers: [{ name: none }]\n", file)
            fclose(file)
            var arguments = [
                "--config.file=\(config)", "--storage.path=\(folder.path)", "--web.listen-address=127.0.0.1:\(port)",
                "--cluster.listen-address=127.0.0.1:\(clusterPort)",
                "--cluster.advertise-address=127.0.0.1:\(clusterPort)",
                "--log.level=error",
            ]
            if let other { arguments.append("--cluster.peer=127.0.0.1:\(other.clusterPort)") }
            process = try ChildProcess("/usr/bin/prometheus-alertmanager", arguments)
            try await until("it starts") { await self.get("/-/ready") != nil }
        }

        func get(_ path: String) async -> JSONValue? {
            guard case .response(let response) = await transport.perform(HTTPRequest(.get, url + path)),
                response.status == 200
            else { return nil }
            return (try? JSONValue.parse(response.body)) ?? .null
        }

        /// What fires there: labels, beginning and end.
        func alerts() async -> [JSONValue] { await get("/api/v2/alerts")?.array ?? [] }
        func names() async -> [String] {
            await alerts().compactMap { $0["labels"]?["alertname"]?.string }.sorted()
        }

        deinit { process?.kill() }
    }

    private static func until(_ what: String, _ condition: () async -> Bool) async throws {
        for _ in 0..<1000 {
            if await condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("never: \(what)")
    }

    private static func snapshot(_ alerts: [Alert], startedAt: Int64) -> AlertSnapshot {
        AlertSnapshot(
            alerts.map { AlertSnapshot.Firing($0, startedAt: startedAt) }, madeAt: TimeSource.system.wall())
    }

    @Test func `both peers have what fires, as it is, and both are told of its end`() async throws {
        let peers = try [Peer(), Peer()]
        try await peers[0].start()
        try await peers[1].start(joining: peers[0])
        let settings = try AlertmanagerSettings(
            AlertFixture.settings(peers.map(\.url), labels: [("site", "ship \"7\"\n")]), instance: "node-1")
        let alertmanager = Alertmanager(settings, events: { _ in })
        let task = Task { await alertmanager.run() }
        let startedAt = TimeSource.system.wall() - 60_000_000_000
        let late = AlertFixture.alert("Late", tenant: "acme", backend: "central")
        alertmanager.publish(Self.snapshot([late, AlertFixture.alert("Full")], startedAt: startedAt))
        for peer in peers {
            try await Self.until("both fire") { await peer.names() == ["Full", "Late"] }
            let alert = try #require(
                await peer.alerts().first { $0["labels"]?["alertname"]?.string == "Late" })
            let labels = alert["labels"]?.object?.sorted { $0.key < $1.key }.map {
                "\($0.key)=\($0.value.string ?? "")"
            }
            #expect(
                labels == [
                    "alertname=Late", "backend=central", "instance=node-1", "severity=warning", "site=ship \"7\"\n",
                    "tenant=acme",
                ])
            #expect(alert["annotations"]?["summary"]?.string == "It is so")
            #expect(RFC3339.parse(alert["startsAt"]?.string ?? "") == startedAt / 1_000_000 * 1_000_000)
            let ends = try #require(RFC3339.parse(alert["endsAt"]?.string ?? ""))
            #expect(abs(ends - TimeSource.system.wall() - 120_000_000_000) < 30_000_000_000)
        }
        alertmanager.publish(Self.snapshot([late], startedAt: startedAt))
        for peer in peers { try await Self.until("one is over") { await peer.names() == ["Late"] } }
        task.cancel()
        await task.value
        #expect(alertmanager.status.allSatisfy { $0.sentAlerts == 4 && $0.failedAlerts == 0 })
    }

    @Test func `one that is down at first has what is wrong once it is there, and not what was`() async throws {
        let peers = try [Peer(), Peer()]
        try await peers[0].start()
        let events = Recorder<Event>()
        let settings = try AlertmanagerSettings(AlertFixture.settings(peers.map(\.url)), instance: "node-1")
        let alertmanager = Alertmanager(settings) { events.record($0) }
        let task = Task { await alertmanager.run() }
        let now = TimeSource.system.wall()
        alertmanager.publish(Self.snapshot([AlertFixture.alert("Former")], startedAt: now))
        try await Self.until("the one that is up has it") { await peers[0].names() == ["Former"] }
        let down = peers[1].url
        await events.first { $0.level == .warning && $0.metadata["alertmanager"] == down }
        alertmanager.publish(Self.snapshot([AlertFixture.alert("Present")], startedAt: now))
        try await peers[1].start()
        await events.first { $0.level == .info }
        for peer in peers { try await Self.until("what is true") { await peer.names() == ["Present"] } }
        task.cancel()
        await task.value
    }
}
