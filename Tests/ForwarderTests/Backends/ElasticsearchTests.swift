import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// <https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html>
@Suite(.timeLimit(.minutes(10)))
struct ElasticsearchTests {
    private func make(_ server: BulkServer, _ values: [String: String] = ["index": "metrics-{tenant}"]) throws
        -> any Backend
    { try BackendFixture.make("elasticsearch", ["url": server.url].merging(values) { $1 }) }

    private let stream = ["data_stream": "metrics-{tenant}"]

    @Test func `each point becomes one document of its own`() async throws {
        let server = try BulkServer()
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 1.5, .nan]))
        #expect(await BackendFixture.deliver(try make(server), chunk) == .delivered)
        let documents = server.documents(in: "metrics-acme")
        #expect(documents.count == 2)
        let source = try #require(documents.first { $0.source["value"]?.double == 1.5 }?.source)
        #expect(source["@timestamp"]?.string == RFC3339.format(1_790_000_000_000_000_000))
        #expect(source["name"]?.string == "up")
        #expect(source["labels"]?["number"]?.string == "1")
        #expect(server.faults.isEmpty)
        server.stop()
    }

    @Test func `every kind of point is taken by a strict mapping`() async throws {
        let server = try BulkServer()
        var random = SeededGenerator.fresh()
        var outcomes: [DeliveryOutcome] = []
        var points = 0
        for _ in 0..<3 {
            let chunk = BackendFixture.chunk(RandomBatch.make(points: 200, series: 20, using: &random), sequence: 1)
            points += BackendFixture.encode(try make(server), chunk).points
            outcomes.append(await BackendFixture.deliver(try make(server), chunk))
        }
        for outcome in outcomes {
            guard case .partly(let items) = outcome else { continue }
            // The random batches repeat places in time, which is one document.
            #expect(items.allSatisfy { $0.verdict == .alreadyThere }, "seed \(random.seed): \(items.first as Any)")
        }
        #expect(server.documents(in: "metrics-acme").count + server.conflicts == points)
        server.stop()
    }

    @Test func `a resend is told apart as already there, and adds nothing`() async throws {
        let server = try BulkServer()
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]))
        #expect(await BackendFixture.deliver(try make(server), chunk) == .delivered)
        // Cut elsewhere and under another sequence: the ids are the points' own.
        var part = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]), sequence: 99)
        part.runs = [LeasedRun(piece: 0, ordinals: 1..<3)]
        guard case .partly(let items) = await BackendFixture.deliver(try make(server), part) else {
            Issue.record("two conflicts")
            return
        }
        #expect(items.map(\.verdict) == [.alreadyThere, .alreadyThere])
        #expect(server.documents(in: "metrics-acme").count == 3)
        server.stop()
    }

    @Test func `an overloaded item is tried again and the others are not`() async throws {
        var behaviour = BulkServer.Behaviour()
        behaviour.overloadsEvery = 2
        behaviour.dataStreams = ["metrics-acme"]
        let server = try BulkServer(behaviour)
        let chunk = BackendFixture.chunk(BackendFixture.samples((0..<40).map(Double.init)))
        guard case .partly(let items) = await BackendFixture.deliver(try make(server, stream), chunk) else {
            Issue.record("some items are refused with 429")
            return
        }
        var again = chunk
        again.runs = []
        for item in items {
            guard case .retry = item.verdict else {
                Issue.record("\(item)")
                continue
            }
            again.runs += item.runs
        }
        #expect(again.points < 40)
        #expect(server.documents(in: "metrics-acme").count == 40 - again.points)
        #expect(await BackendFixture.deliver(try make(server, stream), again) == .delivered)
        #expect(server.documents(in: "metrics-acme").count == 40)
        server.stop()
    }

    @Test func `a document in the failure store is dead although its status says created`() throws {
        let body = "{\"errors\":false,\"items\":[{\"create\":{\"status\":201,\"failure_store\":\"used\"}}]}"
        let server = try BulkServer()
        let backend = try make(server)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1])))
        guard case .partly(let items) = backend.outcome(of: BackendFixture.answer(200, body), to: request),
            case .dead(let reason)? = items.first?.verdict
        else {
            Issue.record("it is not in the stream")
            return
        }
        #expect(reason.code == "failure_store")
        server.stop()
    }

    @Test(arguments: [
        (404, "index_not_found_exception"), (403, "cluster_block_exception"), (400, "invalid_index_name_exception"),
        (400, "validation_exception"),
    ])
    func `an item that only an operator can mend holds`(_ status: Int, _ type: String) throws {
        let body =
            "{\"errors\":true,\"items\":[{\"create\":{\"status\":\(status),\"error\":{\"type\":\"\(type)\",\"reason\":\"x\"}}}]}"
        let server = try BulkServer()
        let backend = try make(server)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1])))
        guard case .partly(let items) = backend.outcome(of: BackendFixture.answer(200, body), to: request),
            case .hold? = items.first?.verdict
        else {
            Issue.record("\(type) holds the lane")
            return
        }
        server.stop()
    }

    @Test func `an answer about another number of items is not believed`() throws {
        let server = try BulkServer()
        let backend = try make(server)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2])))
        for items in ["", "{\"create\":{\"status\":201}}", "{\"create\":{\"status\":201}},{\"create\":{}}"] {
            let body = "{\"errors\":false,\"items\":[\(items)]}"
            guard case .retry = backend.outcome(of: BackendFixture.answer(200, body), to: request) else {
                Issue.record("\(body) was believed")
                continue
            }
        }
        server.stop()
    }

    @Test func `credentials and limits of the cluster become outcomes`() async throws {
        var behaviour = BulkServer.Behaviour()
        behaviour.authorization = "ApiKey aWQ6a2V5"
        behaviour.maximumBodyBytes = 100
        let server = try BulkServer(behaviour)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]))
        guard case .hold = await BackendFixture.deliver(try make(server), chunk) else {
            Issue.record("401 holds")
            return
        }
        let backend = try make(server, ["index": "m", "api_key": "env:id:key"])
        #expect(await BackendFixture.deliver(backend, chunk) == .tooLarge(limitBytes: nil))
        server.change { $0.maximumBodyBytes = 1 << 20 }
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        server.stop()
    }

    @Test func `a rollover between two sends of a document makes a second one`() async throws {
        var behaviour = BulkServer.Behaviour()
        behaviour.dataStreams = ["metrics-acme"]
        let server = try BulkServer(behaviour)
        let backend = try make(server, stream)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]))
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        server.rollOver("metrics-acme")
        // Ids are unique in a backing index only: at least once, and never fewer.
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        let documents = server.documents(in: "metrics-acme")
        #expect(documents.count == 6)
        #expect(Set(documents.map(\.id)).count == 3)
        #expect(Set(documents.map(\.index)).count == 2)
        guard case .partly(let items) = await BackendFixture.deliver(backend, chunk) else {
            Issue.record("the new backing index has them now")
            return
        }
        #expect(items.allSatisfy { $0.verdict == .alreadyThere })
        server.stop()
    }

    @Test func `an index that a full disk made read-only holds the lane, and takes everything afterwards`() async throws
    {
        var behaviour = BulkServer.Behaviour()
        behaviour.blocked = ["metrics-acme"]
        let server = try BulkServer(behaviour)
        let backend = try make(server)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]))
        guard case .partly(let items) = await BackendFixture.deliver(backend, chunk) else {
            Issue.record("every item is refused")
            return
        }
        #expect(items.reduce(0) { $0 + $1.runs.reduce(0) { $0 + $1.ordinals.count } } == 3)
        for item in items {
            guard case .hold(let reason) = item.verdict else {
                Issue.record("\(item.verdict)")
                continue
            }
            #expect(reason.contains("flood-stage watermark"))
        }
        #expect(server.documents(in: "metrics-acme").isEmpty)
        server.change { $0.blocked = [] }
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        #expect(server.documents(in: "metrics-acme").count == 3)
        server.stop()
    }

    @Test func `a document that would bring one field too many is dead, and its neighbours are stored`() async throws {
        let server = try BulkServer()
        let backend = try make(server)
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([1]))) == .delivered)
        // From here on the mapping is full: the fields known so far are all there will be.
        server.fillMapping(of: "metrics-acme")
        var batch = BackendFixture.samples([2, 3], from: 1_790_000_060_000_000_000)
        let wide = BackendFixture.series("up", [("never_seen", "x")], in: &batch)
        batch.points.appendFloat64(series: wide, time: 1_790_000_000_000_000_000, bits: (4.0).bitPattern)
        guard case .partly(let items) = await BackendFixture.deliver(backend, BackendFixture.chunk(batch)) else {
            Issue.record("one document has a new field")
            return
        }
        #expect(items.map(\.runs) == [[LeasedRun(piece: 0, ordinals: 2..<3)]])
        guard case .dead(let reason)? = items.first?.verdict else {
            Issue.record("sending it again would not help")
            return
        }
        #expect(reason.status == 400)
        #expect(reason.excerpt.contains("Limit of total fields"))
        #expect(server.documents(in: "metrics-acme").count == 3)
        server.stop()
    }

    @Test func `each tenant has its own key, and one that has none is held`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        server.change { $0.authorization = "ApiKey aWQ6a2V5" }
        let backend = try BackendFixture.make(
            "elasticsearch", ["url": server.url, "index": "m"],
            ["api_keys": ["acme": "env:id:key", "globex": "env:b3RoZXI="]])
        let batch = BackendFixture.samples([1])
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(batch)) == .delivered)
        for (tenant, words) in [("globex", "HTTP 401"), ("initech", "tenant initech has no entry in api_keys")] {
            guard
                case .hold(let reason) = await BackendFixture.deliver(
                    backend, BackendFixture.chunk(batch, tenant: tenant))
            else {
                Issue.record("\(tenant) has no right to write")
                continue
            }
            #expect(reason.hasPrefix(words))
        }
        #expect(server.documents(in: "m").count == 1)
        #expect(!"\(backend)".contains("id:key"))
        #expect(throws: SettingsError.self) {
            try BackendFixture.make(
                "elasticsearch", ["url": server.url, "index": "m", "bearer_token": "env:t"],
                ["api_keys": ["a": "env:k"]])
        }
    }

    /// Time series collections of Amazon's OpenSearch Serverless take no ids.
    @Test func `without ids each copy is a document, and ids where none may be said hold`() async throws {
        let server = try BulkServer()
        defer { server.stop() }
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]))
        server.change { $0.refusesIDs = true }
        guard case .partly(let items) = await BackendFixture.deliver(try make(server), chunk),
            case .hold(let reason)? = items.first?.verdict
        else {
            Issue.record("every document would be refused")
            return
        }
        #expect(reason.contains("Document ID is not supported"))
        let backend = try make(server, ["index": "m", "document_ids": "false"])
        for _ in 0..<2 { #expect(await BackendFixture.deliver(backend, chunk) == .delivered) }
        #expect(server.documents(in: "m").count == 4)
    }

    @Test func `a name the cluster would refuse is a config error`() throws {
        let server = try BulkServer()
        for name in ["Metrics", "-m", "a b", "a/b", "{tenant}{x}", String(repeating: "a", count: 256)] {
            #expect(throws: SettingsError.self) { try make(server, ["index": name]) }
        }
        #expect(throws: SettingsError.self) { try make(server, ["index": "a", "data_stream": "b"]) }
        #expect(throws: SettingsError.self) { try make(server, [:]) }
        server.stop()
    }
}
