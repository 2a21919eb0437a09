import Forwarder
import Metrics
import TestSupport
import Testing

@testable import Daemon

/// What is made, changed, left and taken away, of a Grafana that is as strict as the real one.
@Suite struct GrafanaRunTests {
    private static let all =
        ["hf-folder-acme", "hf-source-acme", "hf-board-delivery-acme", "hf-board-metrics-acme"]

    @Test func `apply makes everything, and a second time writes nothing`() async throws {
        let grafana = try GrafanaFixture()
        let first = try await grafana.apply()
        #expect(first.failures == [])
        #expect(Array(first.uids(.created).prefix(4)) == Self.all)
        #expect(grafana.server.rules.count == first.count - 4 && grafana.server.rules.count >= 10)
        #expect(grafana.server.dashboards["hf-board-delivery-acme"]?["folderUid"]?.string == "hf-folder-acme")
        let writes = grafana.server.writes.count
        #expect(writes == first.count)
        let second = try await grafana.apply()
        #expect(second.uids(.unchanged).count == first.count)
        #expect(grafana.server.writes.count == writes, "each save would be a version")
        #expect(grafana.server.faults == [])
    }

    @Test func `a Grafana that raises a dashboard's form has nothing to be changed for it`() async throws {
        var behaviour = GrafanaServer.Behaviour()
        behaviour.schemaVersion = 42
        let grafana = try GrafanaFixture(behaviour)
        try await grafana.apply()
        #expect(try await grafana.apply().allSatisfy { $0.action == .unchanged })
    }

    @Test func `what somebody has changed is put back, and told before`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        let stored = try #require(grafana.server.dashboards["hf-board-metrics-acme"]?["dashboard"])
        grafana.server.put(
            dashboard: "hf-board-metrics-acme", GrafanaObject.merged(stored, .map(["title": "Mine now"])),
            folder: "elsewhere")
        let writes = grafana.server.writes.count
        let plan = try await grafana.apply(isDry: true)
        #expect(plan.uids(.changed) == ["hf-board-metrics-acme"])
        #expect(plan.flatMap(\.differences).map(\.path) == ["dashboard.title", "folderUid"])
        #expect(grafana.server.writes.count == writes, "a plan writes nothing")
        #expect(try await grafana.apply().uids(.changed) == ["hf-board-metrics-acme"])
        let now = grafana.server.dashboards["hf-board-metrics-acme"]
        #expect(now?["folderUid"]?.string == "hf-folder-acme")
        #expect(now?["dashboard"]?["title"]?.string == "Metrics: acme")
        #expect(grafana.server.faults == [])
    }

    @Test func `a plan of an empty Grafana says all of it and writes none`() async throws {
        let grafana = try GrafanaFixture()
        let plan = try await grafana.apply(isDry: true)
        #expect(plan.allSatisfy { $0.action == .created })
        #expect(grafana.server.writes == [])
    }

    @Test func `what does not carry our mark is neither overwritten nor deleted`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        let dashboard = JSONValue.map(["title": "Theirs", "tags": ["mine"]])
        grafana.server.put(dashboard: "hf-board-delivery-acme", dashboard, folder: "hf-folder-acme")
        let rule = JSONValue.map(["title": "Theirs", "folderUID": "hf-folder-acme", "ruleGroup": "hf-rules-acme"])
        grafana.server.put(rule: "hf-rule-dead-acme", rule)
        let applied = try await grafana.apply()
        #expect(applied.failures.count == 1)
        #expect(applied.failures.first?.contains("does not say that it is Holdfast's") == true)
        #expect(grafana.server.dashboards["hf-board-delivery-acme"]?["dashboard"]?["title"]?.string == "Theirs")
        let destroyed = try await grafana.destroy()
        #expect(
            Set(destroyed.uids(.kept)) == ["hf-board-delivery-acme", "hf-rule-dead-acme", "hf-folder-acme"])
        #expect(grafana.server.dashboards.keys.sorted() == ["hf-board-delivery-acme"])
        #expect(grafana.server.rules.keys.sorted() == ["hf-rule-dead-acme"])
        #expect(grafana.server.folders.keys.sorted() == ["hf-folder-acme"])
        #expect(grafana.server.faults == [])
    }

    @Test func `destroy leaves a folder that somebody else's rule is in`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        grafana.server.put(
            rule: "theirs", .map(["title": "Theirs", "folderUID": "hf-folder-acme", "ruleGroup": "hf-rules-acme"]))
        #expect(try await grafana.destroy().uids(.kept) == ["hf-folder-acme"])
        #expect(grafana.server.rules.keys.sorted() == ["theirs"])
        #expect(grafana.server.dashboards.isEmpty && grafana.server.sources.isEmpty)
    }

    @Test func `destroy leaves a folder with somebody else's folder in it, found or only counted`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        grafana.server.put(folder: "theirs", title: "Theirs", parent: "hf-folder-acme")
        #expect(try await grafana.destroy(isDry: true).uids(.kept) == ["hf-folder-acme"])
        let results = try await grafana.destroy()
        #expect(results.uids(.kept) == ["hf-folder-acme"])
        #expect(results.last?.reason == "1 folder is in it, which is not ours")
        #expect(grafana.server.folders.keys.sorted() == ["hf-folder-acme", "theirs"])
    }

    @Test func `destroy takes all of ours, and is done when there is nothing`() async throws {
        let grafana = try GrafanaFixture()
        let made = try await grafana.apply().count
        let plan = try await grafana.destroy(isDry: true)
        #expect(plan.uids(.deleted).count == made)
        #expect(grafana.server.folders.count == 1, "a plan deletes nothing")
        #expect(try await grafana.destroy().uids(.deleted).count == made)
        #expect(
            grafana.server.folders.isEmpty && grafana.server.dashboards.isEmpty && grafana.server.rules.isEmpty
                && grafana.server.sources.isEmpty)
        #expect(try await grafana.destroy().allSatisfy { $0.action == .absent })
        #expect(grafana.server.faults == [])
    }

    @Test func `a rule of ours that is no longer wanted goes, one of others in our group stays`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        let place = JSONValue.map(["folderUID": "hf-folder-acme", "ruleGroup": "hf-rules-acme"])
        func rule(_ title: String, _ labels: JSONValue) -> JSONValue {
            GrafanaObject.merged(place, .map(["title": .string(title), "labels": labels]))
        }
        let ours = JSONValue.map(["managed_by": "holdfast", "tenant": "acme"])
        grafana.server.put(rule: "hf-rule-retired-acme", rule("Retired", ours))
        grafana.server.put(rule: "theirs", rule("Theirs", ours))
        grafana.server.put(rule: "hf-rule-other-b", rule("Other", .map(["managed_by": "holdfast", "tenant": "b"])))
        grafana.server.put(rule: "hf-rule-mine-acme", rule("Mine", .map([:])))
        #expect(try await grafana.apply().uids(.deleted) == ["hf-rule-retired-acme"])
        #expect(
            grafana.server.rules.keys.count { !$0.hasPrefix("hf-rule") || $0.contains("mine") || $0.hasSuffix("-b") }
                == 3)
    }

    @Test func `what somebody has chosen beside ours stays when ours is changed`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        let source = try #require(grafana.server.sources["hf-source-acme"])
        grafana.server.put(
            source: "hf-source-acme",
            GrafanaObject.merged(
                source,
                .map([
                    "isDefault": .bool(true), "url": "http://old.example",
                    "jsonData": .map(["timeInterval": "15s", "httpHeaderName1": "X-Old"]),
                ])))
        let rule = try #require(grafana.server.rules["hf-rule-dead-acme"])
        let settings = JSONValue.map(["receiver": "night shift"])
        grafana.server.put(
            rule: "hf-rule-dead-acme",
            GrafanaObject.merged(
                rule,
                .map([
                    "isPaused": .bool(true), "for": "1h", "notification_settings": settings,
                    "keep_firing_for": "5m", "missing_series_evals_to_resolve": 3,
                ])))
        #expect(try await grafana.apply().uids(.changed) == ["hf-source-acme", "hf-rule-dead-acme"])
        let now = try #require(grafana.server.sources["hf-source-acme"])
        #expect(now["isDefault"] == .bool(true) && now["jsonData"]?["timeInterval"]?.string == "15s")
        #expect(now["url"]?.string == "http://metrics.example/acme")
        #expect(now["jsonData"]?["httpHeaderName1"] == nil, "a header that is no longer wanted goes")
        let dead = try #require(grafana.server.rules["hf-rule-dead-acme"])
        #expect(dead["isPaused"] == .bool(true) && dead["notification_settings"] == settings)
        #expect(dead["keep_firing_for"]?.string == "5m" && dead["missing_series_evals_to_resolve"]?.int == 3)
        #expect(dead["for"]?.string == "0s")
        #expect(try await grafana.apply().allSatisfy { $0.action == .unchanged })
        #expect(grafana.server.faults == [])
    }

    @Test func `a data source sends the tenant and logs in, and its secrets are written once`() async throws {
        let grafana = try GrafanaFixture()
        var source = GrafanaDataSource(url: "http://metrics.example")
        source.tenantHeader = "X-Scope-OrgID"
        source.token = Secret("t0ken")
        grafana.sources.made = source
        try await grafana.apply()
        #expect(
            grafana.server.secrets["hf-source-acme"] == [
                "httpHeaderValue1": "acme", "httpHeaderValue2": "Bearer t0ken",
            ])
        let data = grafana.server.sources["hf-source-acme"]?["jsonData"]
        #expect(
            data?["httpHeaderName1"]?.string == "X-Scope-OrgID" && data?["httpHeaderName2"]?.string == "Authorization")
        #expect(grafana.server.sources["hf-source-acme"]?["secureJsonData"] == nil)
        #expect(try await grafana.apply().allSatisfy { $0.action == .unchanged })
        source.token = Secret("another")
        grafana.sources.made = source
        var run = grafana.run()
        run.renewsSecrets = true
        var results: [GrafanaResult] = []
        try await run.apply(grafana.tenant, grafana.tenant.objects(grafana.sources), into: &results)
        #expect(results.uids(.changed) == ["hf-source-acme"])
        #expect(grafana.server.secrets["hf-source-acme"]?["httpHeaderValue2"] == "Bearer another")
        #expect(results.allSatisfy { !$0.json.rendered.contains("another") }, "a report tells no secret")
        #expect(grafana.server.faults == [])
    }

    // MARK: In the way

    @Test func `a thing of somebody else with the same title is a clear error`() async throws {
        var behaviour = GrafanaServer.Behaviour()
        behaviour.isOld = true
        let grafana = try GrafanaFixture(behaviour)
        grafana.server.put(folder: "theirs", title: "Holdfast: acme")
        let results = try await grafana.apply()
        #expect(results.count == 1, "the rest would stand on the folder")
        #expect(results.failures.first?.contains("something that is not ours is called \"Holdfast: acme\"") == true)
        #expect(grafana.server.folders.count == 1 && grafana.server.faults == [])
    }

    @Test func `so is a data source, a dashboard and a rule`() async throws {
        let grafana = try GrafanaFixture()
        let source = JSONValue.map(["name": "Holdfast: acme", "type": "graphite"])
        grafana.server.put(source: "theirs", source)
        #expect(try await grafana.apply().failures.first?.contains("is called \"Holdfast: acme\"") == true)
        #expect(grafana.server.sources.count == 1)

        let boards = try GrafanaFixture()
        boards.server.put(dashboard: "theirs", .map(["title": "Metrics: acme"]), folder: "hf-folder-acme")
        #expect(try await boards.apply().failures.first?.contains("is called \"Metrics: acme\"") == true)

        let rules = try GrafanaFixture()
        rules.server.put(rule: "theirs", .map(["title": "Holdfast acme: dead letters", "folderUID": "hf-folder-acme"]))
        #expect(try await rules.apply().failures.first?.contains("acme: dead letters") == true)
        #expect(rules.server.rules["theirs"]?["title"]?.string == "Holdfast acme: dead letters")
        rules.server.change { $0.isOld = true }
        #expect(
            try await rules.apply().failures.first?.contains("\"Holdfast acme: dead letters\" (400): a conflicting")
                == true)
        #expect(grafana.server.faults + boards.server.faults + rules.server.faults == [])
    }

    @Test func `what is there and not to be seen is not ours`() async throws {
        var behaviour = GrafanaServer.Behaviour()
        behaviour.hidden = ["hf-folder-acme"]
        let grafana = try GrafanaFixture(behaviour)
        let results = try await grafana.apply()
        #expect(results.failures.first?.contains("(403)") == true)
        #expect(grafana.server.writes == [])
    }

    @Test func `what came from a file is left to it`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        grafana.server.change { $0.provisioned = ["hf-source-acme", "hf-board-delivery-acme"] }
        #expect(try await grafana.apply().failures.first?.contains("provisioned from a file") == true)
        #expect(
            Set(try await grafana.destroy().uids(.kept)).isSuperset(of: ["hf-source-acme", "hf-board-delivery-acme"]))
        #expect(grafana.server.faults == [])
    }

    @Test func `a change by somebody else between reading and writing is read again`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        let stored = try #require(grafana.server.dashboards["hf-board-metrics-acme"]?["dashboard"])
        grafana.server.put(
            dashboard: "hf-board-metrics-acme", GrafanaObject.merged(stored, .map(["title": "x"])),
            folder: "hf-folder-acme")
        // Folder, source and a dashboard are read; the second dashboard is read, and then saved.
        let saving = grafana.server.requests.count + 4
        grafana.server.change { $0.fault = { $0 == saving ? .overtaken("hf-board-metrics-acme") : nil } }
        #expect(try await grafana.apply().uids(.changed) == ["hf-board-metrics-acme"])
        #expect(grafana.server.dashboards["hf-board-metrics-acme"]?["dashboard"]?["title"]?.string == "Metrics: acme")
        #expect(grafana.server.faults == [])
    }

    @Test func `somebody who changes it every time is told of, and not overwritten`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply()
        let stored = try #require(grafana.server.sources["hf-source-acme"])
        grafana.server.put(source: "hf-source-acme", GrafanaObject.merged(stored, .map(["url": "http://x"])))
        let first = grafana.server.requests.count
        // The folder is read, and then the source is read and written in turns.
        grafana.server.change {
            $0.fault = { $0 > first + 1 && ($0 - first).isMultiple(of: 2) ? .overtaken("hf-source-acme") : nil }
        }
        let results = try await grafana.apply()
        #expect(results.failures.first?.contains("somebody else changes it") == true, "\(results)")
        #expect(grafana.server.sources["hf-source-acme"]?["url"]?.string == "http://x")
    }

    @Test func `rules that can be edited are so from the beginning, or not at all`() async throws {
        let grafana = try GrafanaFixture()
        try await grafana.apply(editable: true)
        #expect(grafana.server.rules.values.allSatisfy { $0["provenance"]?.string == "" })
        #expect(try await grafana.apply(editable: true).allSatisfy { $0.action == .unchanged })

        let locked = try GrafanaFixture()
        try await locked.apply()
        #expect(locked.server.rules.values.allSatisfy { $0["provenance"]?.string == "api" })
        #expect(try await locked.apply(editable: true).failures.first?.contains("destroy and apply") == true)
        #expect(locked.server.faults == [])
    }

    // MARK: Trouble

    @Test(arguments: [false, true])
    func `whichever answer is lost, the next look finds what was made, and it is made once`(isOld: Bool) async throws {
        var behaviour = GrafanaServer.Behaviour()
        behaviour.isOld = isOld
        let whole = try GrafanaFixture(behaviour)
        let count = try await whole.apply().count
        for number in 0..<(2 * count) {
            let grafana = try GrafanaFixture(behaviour)
            grafana.server.change { $0.fault = { $0 == number ? .lostAnswer : nil } }
            let results = try await grafana.apply()
            #expect(results.uids(.created).count == count, "request \(number): \(results.failures)")
            #expect(grafana.server.writes.count == count, "request \(number)")
            #expect(grafana.server.faults == [], "request \(number)")
        }
    }

    @Test func `what is no Grafana is asked for nothing else`() async throws {
        let server = try HTTPTestServer()
        server.answer { _, _ in .reply(404, headers: [], body: Array("404 page not found".utf8)) }
        let transport = HTTPTransport()
        let access = GrafanaAccess(url: server.url, authentication: .bearer(Secret("good")))
        let run = GrafanaRun(client: GrafanaClient(access: access, transport: transport), isDry: true)
        let failure = await #expect(throws: GrafanaFailure.self) { try await run.check([]) }
        #expect(failure?.message.contains("is no Grafana: it knows no /api/health (404)") == true)
        #expect(server.requests.map(\.path) == ["/api/health"])
        transport.close()
        server.stop()
    }

    @Test func `a data source that is named and not there is said before anything is planned`() async throws {
        let grafana = try GrafanaFixture()
        let named = GrafanaRun.NamedSource(option: "--data-source", uid: "prometheus-main")
        let failure = await #expect(throws: GrafanaFailure.self) { try await grafana.run().check([named]) }
        #expect(failure?.message.contains("no data source with the uid \"prometheus-main\"") == true)
        #expect(failure?.message.contains("--data-source names") == true)
        grafana.server.put(source: "prometheus-main", .map(["name": "Main", "type": "prometheus"]))
        try await grafana.run().check([named])
        grafana.token = "editor"
        try await grafana.run().check([named])
        grafana.token = "stranger"
        await #expect(throws: GrafanaFailure.self) { try await grafana.run().check([named]) }
        #expect(grafana.server.faults == [])
    }

    @Test func `a token that may not write is an error of its own for each kind`() async throws {
        let grafana = try GrafanaFixture()
        grafana.token = "viewer"
        #expect(try await grafana.apply().failures.first?.contains("make the folder hf-folder-acme (403)") == true)
        grafana.token = "editor"
        let results = try await grafana.apply()
        #expect(results.uids(.created) == ["hf-folder-acme"])
        #expect(results.failures.first?.contains("read the data source hf-source-acme (403)") == true)
        grafana.token = "stranger"
        await #expect(throws: GrafanaFailure.self) { try await grafana.apply() }
        #expect(grafana.server.faults == [])
    }
}
