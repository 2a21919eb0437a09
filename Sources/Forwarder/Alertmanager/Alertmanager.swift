import WALStore

/// Tells the Alertmanagers what is wrong with the node.
///
/// Nothing of it is stored, and nobody waits for it: `publish` puts the newest snapshot in the place of the former one.
public final class Alertmanager: Sendable {
    struct Surroundings: Sendable {
        var transport: HTTPTransport
        var time = TimeSource.system
        var events: EventSink
        /// Waits; throws when cancelled.
        var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    }

    private let peers: [AlertmanagerPeer]

    init(_ settings: AlertmanagerSettings, _ surroundings: Surroundings) {
        peers = settings.endpoints.map { AlertmanagerPeer($0, settings, surroundings) }
    }

    /// With connections of its own: those of backends may all be taken, by what is then an alert.
    public convenience init(_ settings: AlertmanagerSettings, events: @escaping EventSink) {
        let transport = HTTPTransport(maximumConnections: settings.endpoints.count)
        self.init(settings, Surroundings(transport: transport, events: events))
    }

    public func publish(_ snapshot: AlertSnapshot) {
        for peer in peers { peer.offer(snapshot) }
    }

    /// Sends what is published; each peer by itself. Returns when its task is cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            for peer in peers { group.addTask { await peer.run() } }
        }
    }

    public var status: [AlertmanagerStatus] { peers.map(\.status) }
}

/// What one Alertmanager was told since the config named it.
public struct AlertmanagerStatus: Sendable, Equatable {
    public var url: String
    /// Each time an alert is said counts.
    public var sentAlerts: UInt64 = 0
    /// Those of requests that were refused, in part too, or not answered.
    public var failedAlerts: UInt64 = 0
    /// Why the last request failed; empty once one succeeds.
    public var lastError = ""
    /// Wall clock, nanoseconds since the epoch; 0 before there was anything to say, or nobody heard it.
    public var lastSuccessAt: Int64 = 0

    public init(url: String) { self.url = url }
}

extension AlertmanagerSettings {
    /// How long an alert stands that is not said again: two requests may be lost in a row, and a third one be late. However
    /// short the interval is, a peer may take as long to answer as it does with the usual one.
    var validity: Duration { max(interval, .seconds(30)) * 4 }
}
