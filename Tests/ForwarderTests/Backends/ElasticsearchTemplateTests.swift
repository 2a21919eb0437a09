import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// Index templates that are installed on request.
/// <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-put-index-template>
@Suite(.timeLimit(.minutes(5)))
struct ElasticsearchTemplateTests {
    private func make(_ server: BulkServer, _ values: [String: String] = [:]) throws -> any Backend {
        let usual = ["url": server.url, "data_stream": "metrics-holdfast-{tenant}", "install_template": "true"]
        return try BackendFixture.make("elasticsearch", usual.merging(values) { $1 }.filter { $0.value != "-" })
    }

    private let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]))

    private func holds(_ backend: any Backend, _ words: String) async {
        guard case .hold(let reason) = await BackendFixture.deliver(backend, chunk) else {
            Issue.record("it holds with \(words)")
            return
        }
        #expect(reason.contains(words), "\(reason)")
    }

    @Test func `a template is put once before the first documents, and the data stream is made by it`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        let backend = try make(server)
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        #expect(
            await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([3]), tenant: "b"))
                == .delivered)
        #expect(server.requests.map(\.method) == ["GET", "PUT", "POST", "POST"])
        // After a restart it is looked at, and found.
        guard case .partly = await BackendFixture.deliver(try make(server), chunk) else {
            Issue.record("the documents are there")
            return
        }
        #expect(server.templatesPut == ["holdfast-b"])
        #expect(server.documents(in: "metrics-holdfast-acme").map(\.index).allSatisfy { $0.hasPrefix(".ds-") })
        let template = try #require(server.template("holdfast-b"))
        #expect(template["index_patterns"] == ["metrics-holdfast-*"] && template["priority"] == 300)
        #expect(template["template"]?["mappings"]?["properties"]?["@timestamp"]?["type"] == "date_nanos")
        #expect(server.faults.isEmpty)
    }

    @Test func `an index gets a template without a data stream`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        #expect(
            await BackendFixture.deliver(try make(server, ["data_stream": "-", "index": "m"]), chunk) == .delivered)
        let template = try #require(server.template("holdfast-b"))
        #expect(template["index_patterns"] == ["m"] && template["data_stream"] == nil)
    }

    @Test(arguments: [
        #"{"index_patterns":["metrics-holdfast-*"],"priority":500,"template":{}}"#,
        #"{"index_patterns":["metrics-holdfast-*"],"priority":300,"_meta":{"managed_by":"fleet"}}"#,
        // Ours, of another cluster's backend of this name.
        #"{"index_patterns":["logs-*"],"priority":300,"_meta":{"managed_by":"holdfast","digest":"x"}}"#,
    ])
    func `a template of somebody else is never overwritten, and nothing is sent`(_ text: String) async throws {
        let server = try BulkServer()
        defer { server.stop() }
        let theirs = try JSONValue.parse(Array(text.utf8))
        server.setTemplate("holdfast-b", theirs)
        await holds(try make(server), "is not Holdfast's")
        #expect(server.template("holdfast-b") == theirs && server.templatesPut.isEmpty)
        #expect(server.documents(in: "metrics-holdfast-acme").isEmpty)
    }

    @Test func `one of ours is replaced when the config asks for something else, and left when a hand changed it`()
        async throws
    {
        let server = try BulkServer()
        defer { server.stop() }
        _ = await BackendFixture.deliver(try make(server), chunk)
        guard case .object(var members)? = server.template("holdfast-b") else {
            Issue.record("it was put")
            return
        }
        members.append(.init("version", 7))
        server.setTemplate("holdfast-b", .object(members))
        _ = await BackendFixture.deliver(try make(server), chunk)
        #expect(server.template("holdfast-b")?["version"] == 7)
        _ = await BackendFixture.deliver(try make(server, ["template_priority": "400"]), chunk)
        #expect(server.templatesPut == ["holdfast-b", "holdfast-b"])
        #expect(server.template("holdfast-b")?["priority"] == 400 && server.template("holdfast-b")?["version"] == nil)
    }

    @Test func `what the cluster does not allow holds, in its words`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        server.setTemplate(
            "theirs", .object([.init("index_patterns", ["metrics-holdfast-*"]), .init("priority", 300)]))
        await holds(try make(server), "that have the same priority")
        server.change { $0.mayManageTemplates = false }
        await holds(try make(server), "manage_index_templates")
        #expect(server.documents(in: "metrics-holdfast-acme").isEmpty)
    }

    @Test func `a cluster that is down is tried again, and the points never left`() async throws {
        let server = try BulkServer()
        server.change { $0.status = 503 }
        let backend = try make(server)
        guard case .retry(nil, let reason) = await BackendFixture.deliver(backend, chunk) else {
            Issue.record("503 is tried again")
            return
        }
        #expect(reason.hasPrefix("index template: HTTP 503"))
        server.change { $0.status = nil }
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        server.stop()
        let transport = HTTPTransport()
        defer { transport.close() }
        let other = try make(server)
        let request = BackendFixture.encode(other, chunk)
        guard
            case .failure(let failure) = await other.send(request, of: chunk, attempt: 1, over: transport)
        else {
            Issue.record("nobody listens there")
            return
        }
        #expect(!failure.mayHaveArrived)
    }

    @Test func `OpenSearch takes the template, and no time series data stream`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        server.change { $0.isOpenSearch = true }
        #expect(await BackendFixture.deliver(try make(server), chunk) == .delivered)
        let stream = ["data_stream": "tsds-{tenant}", "time_series": "true"]
        await holds(try make(server, stream), "OpenSearch has no time series data streams")
        // A key that may not ask what the cluster is has the cluster say it; its own template is there already.
        server.change { $0.maySeeCluster = false }
        await holds(try make(server, stream), "is not Holdfast's")
        #expect(server.documents(in: "tsds-acme").isEmpty)
    }

    @Test func `keys that make no sense are config errors`() throws {
        let server = try BulkServer()
        defer { server.stop() }
        for values in [
            ["data_stream": "-", "index": "m", "time_series": "true"], ["time_series": "true", "look_back_time": "8d"],
            ["time_series": "true", "look_back_time": "30s"], ["look_back_time": "1d"],
            ["time_series": "true", "document_ids": "true"], ["template_priority": "-1"],
            ["failure_store": "ignored"], ["install_template": "false", "template_priority": "3"],
            ["data_stream": "metrics-{tenant}"], ["data_stream": "{tenant}"],
            ["data_stream": "metrics-{tenant}-default"],
            ["data_stream": "met{tenant}"],
        ] {
            #expect(throws: SettingsError.self) { try make(server, values) }
        }
    }
}
