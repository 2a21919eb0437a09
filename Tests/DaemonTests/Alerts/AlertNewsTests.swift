import Forwarder
import Testing
import WALStore

@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

/// What only happens is an alert for a while.
@Suite struct AlertNewsTests {
    private static let second: Int64 = 1_000_000_000

    private static func report(dead: Int64, lost: Int64 = 0, isCurrent: Bool = true) -> StatusReport {
        var (spool, ledger) = (SpoolStatus(), BackendLedger())
        (spool.tenant, ledger.name, ledger.deadPoints, ledger.lostPoints) = ("acme", "central", dead, lost)
        spool.backends = [ledger]
        var tenant = StatusReport.Tenant(spool, lanes: [], pointsIn: 0)
        tenant.isCurrent = isCurrent
        return StatusReport(isRunning: true, dataDirectory: "x", tenants: [tenant])
    }

    @Test func `dead letters and losses that were there before are no news, new ones are for as long as hold`() {
        var news = AlertNews()
        news.compare(Self.report(dead: 5, lost: 7), now: 0)
        #expect(news.alerts(hold: .seconds(60), now: 0).isEmpty)
        news.compare(Self.report(dead: 6, lost: 7), now: 10 * Self.second)
        news.compare(Self.report(dead: 6, lost: 8), now: 20 * Self.second)
        let names = news.alerts(hold: .seconds(60), now: 30 * Self.second).map(\.id.name).sorted()
        #expect(names == ["HoldfastDeadLetters", "HoldfastPointsLost"])
        #expect(news.alerts(hold: .seconds(60), now: 70 * Self.second).map(\.id.name) == ["HoldfastPointsLost"])
        #expect(news.alerts(hold: .seconds(60), now: 80 * Self.second).isEmpty)
    }

    @Test
    func `letters that were purged and come again are news, and numbers of before a kill are compared with nothing`() {
        var news = AlertNews()
        news.compare(Self.report(dead: 2, isCurrent: false), now: 0)
        news.compare(Self.report(dead: 5), now: 0)
        #expect(news.alerts(hold: .seconds(60), now: 0).isEmpty)
        news.compare(Self.report(dead: 0), now: 0)
        news.compare(Self.report(dead: 1), now: 0)
        #expect(news.alerts(hold: .seconds(60), now: 0).map(\.id.name) == ["HoldfastDeadLetters"])
    }

    @Test func `an event is an alert of its tenant, said again it stands for longer, and a remark is none`() {
        var news = AlertNews()
        let event = Event(
            .error, "a spool was set aside and a fresh one opened", ["tenant": "acme", "spool.set_aside": "spool.db.1"])
        news.hear(event, now: 0)
        news.hear(event, now: 50 * Self.second)
        news.hear(Event(.info, "a backup has ended"), now: 0)
        news.hear(Event(.error, "something else"), now: 0)
        let alerts = news.alerts(hold: .seconds(60), now: 100 * Self.second)
        #expect(alerts.map(\.id) == [Alert.ID("HoldfastSpoolDamaged", tenant: "acme")])
        #expect(alerts[0].summary == "a spool was set aside and a fresh one opened; spool.set_aside: spool.db.1")
        #expect(news.alerts(hold: .seconds(60), now: 110 * Self.second).isEmpty)
    }

    @Test func `however many tenants have news, so many are kept`() {
        var news = AlertNews()
        for tenant in 0..<2 * AlertNews.maximum {
            news.hear(
                Event(.error, "the log of a spool is not beside its database", ["tenant": "\(tenant)"]), now: 0)
        }
        #expect(news.alerts(hold: .seconds(60), now: 0).count == AlertNews.maximum)
    }

    @Test func `every event that is an alert is said somewhere, in these words`() throws {
        let root = String(#filePath.dropLast("Tests/DaemonTests/Alerts/AlertNewsTests.swift".count))
        var sources: [CChar] = []
        for room in ["WALStore", "Daemon", "Forwarder"] {
            for path in Self.files(root + "Sources/" + room) where !path.hasSuffix("/AlertEvents.swift") {
                sources += try SystemFile.read(path, limit: 1 << 20).map { CChar(bitPattern: $0) }
            }
        }
        sources.append(0)
        for message in AlertEvents.meanings.keys {
            // Not by String: megabytes of text would hold one of the few threads that all tests share for seconds.
            #expect(strstr(sources, "\"\(message)\"") != nil, "\(message)")
        }
    }

    private static func files(_ folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var paths: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            if name.hasSuffix(".swift") {
                paths.append("\(folder)/\(name)")
            } else {
                paths += files("\(folder)/\(name)")
            }
        }
        return paths
    }
}
