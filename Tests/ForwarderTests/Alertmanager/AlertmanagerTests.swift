import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// What is told to whom, and when: <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>.
@Suite(.timeLimit(.minutes(2)))
struct AlertmanagerTests {
    private static func ok() throws -> HTTPTestServer { try HTTPTestServer { _, _ in .reply(200) } }

    @Test func `what fires goes to every peer, with its labels, its beginning, and an end four intervals away`()
        async throws
    {
        let servers = try [Self.ok(), Self.ok()]
        let fixture = try AlertFixture(urls: servers.map { $0.url + "/prefix/" }, ["tenant": "ops"])
        fixture.publish([AlertFixture.alert("Late", tenant: "acme", backend: "central")])
        for server in servers {
            await server.received(1)
            let request = server.requests[0]
            #expect(request.target == "/prefix/api/v2/alerts" && request.method == "POST")
            #expect(request.headers["content-type"] == "application/json")
            #expect(request.headers["x-scope-orgid"] == "ops")
            let labels =
                #"{"alertname":"Late","severity":"warning","tenant":"acme","backend":"central","instance":"node-1"}"#
            #expect(
                request.text
                    == #"[{"labels":\#(labels),"annotations":{"summary":"It is so"},"startsAt":"2026-09-21T14:13:20.250Z","#
                    + #""endsAt":"2026-09-21T14:15:20.250Z"}]"#)
        }
        await fixture.stop(servers)
    }

    @Test func `what fires is said in each round, its end once, and then nothing`() async throws {
        let server = try Self.ok()
        let fixture = try AlertFixture(urls: [server.url])
        for round in 1...2 {
            fixture.publish("Late")
            await server.received(round)
            fixture.clock.advance(AlertFixture.interval)
        }
        fixture.publish()
        await server.received(3)
        fixture.publish()
        fixture.publish("Other")
        await server.received(4)
        let now = fixture.clock.now
        #expect(
            try server.requests.map { try AlertFixture.names($0, now: now) } == [
                ["Late"], ["Late"], ["-Late"], ["Other"],
            ])
        await fixture.stop([server])
    }

    @Test func `after an outage what is wrong then is told, and nothing of what was`() async throws {
        // One that no other test's server is given meanwhile.
        let port = try LoopbackPort.free()
        let (opened, tried) = (Recorder<Void>(), Recorder<Void>())
        let fixture = try AlertFixture(urls: ["http://127.0.0.1:\(port)"]) { _ in
            tried.record(())
            await opened.first { _ in true }
        }
        fixture.publish("First")
        await tried.first { _ in true }
        for name in ["Second", "Third"] {
            fixture.clock.advance(AlertFixture.interval)
            fixture.publish(name)
        }
        let back = try HTTPTestServer(port: port) { _, _ in .reply(200) }
        opened.record(())
        await back.received(1)
        #expect(try AlertFixture.names(back.requests[0], now: fixture.clock.now) == ["Third"])
        await fixture.stop([back])
        #expect(back.requests.count == 1)
    }

    @Test func `an alert that may have arrived before an outage is told to be over after it`() async throws {
        let server = try HTTPTestServer { _, number in number == 0 ? .reset : .reply(200) }
        let (opened, tried) = (Recorder<Void>(), Recorder<Void>())
        let fixture = try AlertFixture(urls: [server.url]) { _ in
            tried.record(())
            await opened.first { _ in true }
        }
        fixture.publish("Late")
        await tried.first { _ in true }
        fixture.clock.advance(AlertFixture.interval)
        fixture.publish()
        opened.record(())
        await server.received(2)
        #expect(try AlertFixture.names(server.requests[1], now: fixture.clock.now) == ["-Late"])
        await fixture.stop([server])
    }

    @Test(arguments: [500, 503, 429])
    func `an answer that may be another one later is asked for again, after the wait it names`(_ status: Int)
        async throws
    {
        let server = try HTTPTestServer { _, number in
            number == 0 ? .reply(status, headers: [("Retry-After", "7")]) : .reply(200)
        }
        let fixture = try AlertFixture(urls: [server.url])
        fixture.publish("Late")
        await server.received(2)
        let wait = await fixture.waits.first { _ in true }
        #expect(wait >= .seconds(7) && wait < .seconds(8))
        #expect(server.requests[0].text == server.requests[1].text)
        await fixture.stop([server])
        #expect(fixture.events.elements.map(\.level) == [.warning, .info])
    }

    @Test func `a 400 says that the others are stored: what follows it goes out, and it is not tried again`()
        async throws
    {
        let server = try HTTPTestServer { _, number in
            number == 0 ? .text(400, "\"invalid label set\"") : .reply(200)
        }
        let fixture = try AlertFixture(urls: [server.url])
        let many = (0..<300).map { AlertFixture.alert("Late", tenant: "tenant-\($0)") }
        fixture.publish(many)
        await server.received(2)
        #expect(try server.requests.map { try JSONValue.parse($0.body).array?.count } == [256, 44])
        await fixture.stop([server])
        #expect(server.requests.count == 2 && fixture.waits.elements.isEmpty)
        let status = fixture.alertmanager.status[0]
        #expect(status.failedAlerts == 256 && status.sentAlerts == 44)
    }

    @Test(arguments: [401, 404, 410, 415])
    func `an answer that an operator has to see to is not asked for again before the next round`(_ status: Int)
        async throws
    {
        let server = try HTTPTestServer { _, _ in .reply(status) }
        let fixture = try AlertFixture(urls: [server.url])
        for round in 1...2 {
            fixture.publish("Late")
            await server.received(round)
            while fixture.alertmanager.status[0].failedAlerts < round { await Task.yield() }
        }
        #expect(fixture.alertmanager.status[0].lastError.hasPrefix("HTTP \(status)"))
        await fixture.stop([server])
        #expect(server.requests.count == 2 && fixture.waits.elements.isEmpty)
        #expect(fixture.events.elements.count == 1, "it is said once")
    }

    @Test func `a peer that hangs holds up no other one`() async throws {
        let gate = HTTPTestGate()
        let (hanging, well) = (try HTTPTestServer { _, _ in .wait(gate, then: .reply(200)) }, try Self.ok())
        let fixture = try AlertFixture(urls: [hanging.url, well.url])
        for round in 1...3 {
            fixture.publish("Late")
            await well.received(round)
            fixture.clock.advance(AlertFixture.interval)
        }
        #expect(hanging.requests.count <= 1)
        gate.open()
        await fixture.stop([hanging, well])
    }

    @Test func `a snapshot that is as old as alerts stand is told to nobody`() {
        var knowledge = AlertmanagerPeer.Knowledge(validity: 4 * AlertFixture.interval)
        let old = AlertSnapshot(
            [AlertSnapshot.Firing(AlertFixture.alert("Late"), startedAt: 0)], madeAt: AlertFixture.start)
        #expect(knowledge.items(old, now: AlertFixture.start + 4 * AlertFixture.interval - 1).count == 1)
        #expect(knowledge.items(old, now: AlertFixture.start + 4 * AlertFixture.interval).isEmpty)
    }

    @Test func `an end that could not be told while the alert stood is forgotten`() {
        var knowledge = AlertmanagerPeer.Knowledge(validity: 4 * AlertFixture.interval)
        let start = AlertFixture.start
        let firing = AlertSnapshot([AlertSnapshot.Firing(AlertFixture.alert("Late"), startedAt: start)], madeAt: start)
        knowledge.mayKnow(knowledge.items(firing, now: start))
        let over = AlertSnapshot([], madeAt: start + AlertFixture.interval)
        let items = knowledge.items(over, now: start + AlertFixture.interval)
        #expect(items.map(\.isOver) == [true] && items[0].endsAt == over.madeAt)
        #expect(knowledge.items(over, now: start + 2 * AlertFixture.interval).map(\.endsAt) == [over.madeAt])
        #expect(knowledge.items(over, now: start + 4 * AlertFixture.interval).isEmpty && knowledge.count == 0)
    }

    @Test func `a beginning is never later than its end, whatever the clock did`() throws {
        let item = AlertBody.Item(
            alert: AlertFixture.alert("Late"), startedAt: AlertFixture.start,
            endsAt: AlertFixture.start - 1_000_000_000,
            isOver: true)
        let alert = try JSONValue.parse(AlertBody.encode([item], [])).array?.first
        #expect(alert?["startsAt"]?.string == "2026-09-21T14:13:19.249Z")
        #expect(alert?["endsAt"]?.string == "2026-09-21T14:13:19.250Z")
    }

    @Test(arguments: [
        ([], [:], [], "must name from 1 to 16"),
        (["ftp://a"], [:], [], "http:// or https://"),
        (["http://a", "http://a/"], [:], [], "twice"),
        (["http://a/api/v2/alerts"], [:], [], "is added"),
        (["http://a?b=c"], [:], [], "must end before"),
        (["http://u:p@a"], [:], [], "basic_auth"),
        (["http://a"], ["interval": "100ms"], [], "between 1s and 10m"),
        (["http://a"], ["tenant_header": "X-T"], [], "needs tenant"),
        (["http://a"], ["tenant": "a", "tenant_header": "Host"], [], "no header"),
        (["http://a"], [:], [("alertname", "x")], "label of its own"),
        (["http://a"], [:], [("a-b", "x")], "no name"), (["http://a"], [:], [("a", "")], "empty"),
    ])
    func `a mistake in the config is named`(
        urls: [String], values: [String: String], labels: [(String, String)], words: String
    ) throws {
        do throws(SettingsError) {
            let settings: Settings
            do { settings = try AlertFixture.settings(urls, values, labels: labels) } catch { return }
            _ = try AlertmanagerSettings(settings, instance: "n")
            Issue.record("it was taken")
        } catch {
            #expect(error.message.contains(words), "\(error)")
        }
    }

    @Test func `alerts of two nodes are not one: the label instance says whose they are`() throws {
        let plain = try AlertmanagerSettings(AlertFixture.settings(["http://a"]), instance: "node-1")
        #expect(plain.labels == [AlertmanagerSettings.Label(name: "instance", value: "node-1")])
        let named = try AlertmanagerSettings(
            AlertFixture.settings(["http://a"], labels: [("instance", "ship-7")]), instance: "node-1")
        #expect(named.labels == [AlertmanagerSettings.Label(name: "instance", value: "ship-7")])
    }
}
