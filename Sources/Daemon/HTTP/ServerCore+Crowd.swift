import Synchronization
import WALStore

extension ServerCore {
    /// The open connections, counted where they come from.
    struct OpenConnections: Sendable {
        private(set) var all: [ObjectIdentifier: Connection] = [:]
        private(set) var perHost: [Substring: Int] = [:]

        mutating func insert(_ connection: Connection) {
            all[ObjectIdentifier(connection)] = connection
            perHost[connection.peer.host, default: 0] += 1
        }

        mutating func remove(_ connection: Connection) {
            guard all.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
            let host = connection.peer.host
            let left = (perHost[host] ?? 1) - 1
            perHost[host] = left == 0 ? nil : left
        }

        func isCrowded(_ settings: HTTPServerSettings) -> Bool {
            if all.count > settings.maximumConnections { return true }
            let share = settings.connectionsPerHost
            return share > 0 && perHost.values.contains { $0 > share }
        }

        func isCrowded(by connection: Connection, _ settings: HTTPServerSettings) -> Bool {
            let share = settings.connectionsPerHost
            return all.count > settings.maximumConnections
                || (share > 0 && perHost[connection.peer.host, default: 0] > share)
        }
    }

    /// Makes room while the reserve is in use. On the reaper's thread.
    func relieve(now: Int64) {
        let open = connections.withLock { Array($0.all.values) }.filter(\.holdsPlace)
        let standings = open.map { Crowd.Standing(host: $0.peer.host, idleNanoseconds: $0.idleFor(now: now)) }
        let decision = Crowd.decide(
            standings, places: settings.maximumConnections, placesPerHost: settings.connectionsPerHost)
        leaveAfterAnswer.store(decision.afterAnswer, ordering: .relaxed)
        var closed = 0
        for index in decision.leaving where open[index].makeRoom(now: now) { closed += 1 }
        guard closed > 0 else { return }
        displaced.add(closed, ordering: .relaxed)
        events(
            Event(
                .warning, "the listener is full: connections that were idle or slow made room for others",
                ["http.connections": String(open.count), "http.closed": String(closed)]))
    }

    /// Whether `connection` gives up its place with the answer that it gets now: its sender waits behind those that wait
    /// already, so that everybody gets a turn.
    func isAskedToLeave(_ connection: Connection) -> Bool {
        guard leaveAfterAnswer.load(ordering: .relaxed) > 0,
            connections.withLock({ $0.isCrowded(by: connection, settings) })
        else { return false }
        return leaveAfterAnswer.subtract(1, ordering: .relaxed).oldValue > 0
    }
}

extension HTTPServerSettings {
    /// 0 on a Unix socket, which has no addresses.
    var connectionsPerHost: Int {
        if case .unix = address { return 0 }
        return maximumConnectionsPerAddress
    }
}
