import Metrics
import Synchronization
import TestSupport
import WALStore

@testable import Forwarder

/// Alertmanagers that a test scripts, and a clock that it sets.
final class AlertFixture: Sendable {
    static let start: Int64 = 1_790_000_000_250_000_000
    static let second: Int64 = 1_000_000_000
    /// The config's, where it names none.
    static let interval = 30 * second

    let alertmanager: Alertmanager
    let events = Recorder<Event>()
    /// The waits that a peer asked for.
    let waits = Recorder<Duration>()
    private let task: Task<Void, Never>
    private let transport = HTTPTransport()

    /// - Parameter waiting: what a wait between tries does.
    init(
        urls: [String], _ values: [String: String] = [:],
        waiting: @escaping @Sendable (Duration) async throws -> Void = { _ in }
    ) throws {
        let (events, waits, clock) = (events, waits, AlertFixture.Clock())
        self.clock = clock
        var surroundings = Alertmanager.Surroundings(transport: transport) { events.record($0) }
        surroundings.time = TimeSource(
            wall: { clock.now }, boot: TimeSource.system.boot, bootID: TimeSource.system.bootID)
        surroundings.sleep = { duration in
            waits.record(duration)
            try await waiting(duration)
        }
        let settings = try AlertFixture.settings(urls, values)
        let alertmanager = Alertmanager(try AlertmanagerSettings(settings, instance: "node-1"), surroundings)
        self.alertmanager = alertmanager
        task = Task { await alertmanager.run() }
    }

    final class Clock: Sendable {
        private let wall = Mutex(AlertFixture.start)
        var now: Int64 { wall.withLock { $0 } }
        func advance(_ nanoseconds: Int64) { wall.withLock { $0 += nanoseconds } }
    }
    let clock: Clock

    static func settings(
        _ urls: [String], _ values: [String: String] = [:], labels: [(String, String)] = []
    ) throws -> Settings {
        func scalar(_ text: String) -> SettingsNode { SettingsNode(.scalar(text), line: 3) }
        var entries = [(key: "urls", line: 3, value: SettingsNode(.list(urls.map(scalar)), line: 3))]
        entries += values.sorted { $0.key < $1.key }.map { ($0.key, 3, scalar($0.value)) }
        if !labels.isEmpty {
            let map = labels.map { (key: $0.0, line: 4, value: scalar($0.1)) }
            entries.append(("external_labels", 4, SettingsNode(.map(map), line: 4)))
        }
        return try Settings(SettingsNode(.map(entries), line: 2), path: "alertmanager") { String($0.dropFirst(4)) }
    }

    static func alert(_ name: String, tenant: String = "", backend: String = "") -> Alert {
        Alert(Alert.ID(name, tenant: tenant, backend: backend), .warning, "It is so")
    }

    /// As of now, all having begun at the start.
    func publish(_ names: String...) { publish(names.map { AlertFixture.alert($0) }) }
    func publish(_ alerts: [Alert]) {
        let firing = alerts.map { AlertSnapshot.Firing($0, startedAt: AlertFixture.start) }
        alertmanager.publish(AlertSnapshot(firing, madeAt: clock.now))
    }

    /// - Parameter servers: those that it told.
    func stop(_ servers: [HTTPTestServer]) async {
        task.cancel()
        await task.value
        for server in servers { server.stop() }
    }

    /// Names of the alerts of a request, those that are over with a minus sign.
    static func names(_ request: HTTPTestServer.Request, now: Int64) throws -> [String] {
        try JSONValue.parse(request.body).array?.map { alert in
            let ends = RFC3339.parse(alert["endsAt"]?.string ?? "") ?? 0
            return (ends <= now ? "-" : "") + (alert["labels"]?["alertname"]?.string ?? "?")
        } ?? []
    }
}
