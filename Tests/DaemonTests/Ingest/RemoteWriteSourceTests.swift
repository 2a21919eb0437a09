import Metrics
import Synchronization
import Testing
import WALStore

@testable import Daemon

@Suite struct RemoteWriteSourceTests {
    private func body(_ names: [String], from start: Int64 = 1_800_000_000_000) -> [UInt8] {
        RemoteWriteBody.snappy(
            names.enumerated().flatMap { index, name in
                RemoteWriteBody.series(
                    [("__name__", name), ("job", "test")],
                    [.init(value: Double(index), milliseconds: start + Int64(index))])
            })
    }

    @Test func `a request is answered 204 and its points are in the spool`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let response = try await client.request(
            "POST", "/api/v1/write", headers: RemoteWriteBody.headers + ["X-Request-Id: first"],
            body: body(["up", "down"]))
        #expect(response.status == 204)
        #expect(response["x-request-id"] == "first")
        #expect(response["x-holdfast-refused-points"] == nil)
        let points = try await fixture.stored()
        #expect(points.map(\.name) == ["up", "down"])
        #expect(points.map(\.time) == [1_800_000_000_000_000_000, 1_800_000_000_001_000_000])
        #expect(points.allSatisfy { $0.labels == ["job": "test"] })
        let record = try #require(await fixture.observed.next())
        #expect(record.status == 204 && record.storedPoints == 2 && record.tenant == "default")
        await fixture.close()
    }

    @Test func `an invalid series is set aside and counted in the answer while the rest is stored`() async throws {
        let fixture = try await IngestFixture()
        let sample = [RemoteWriteBody.Sample(value: 1, milliseconds: 1_800_000_000_000)]
        let plain =
            RemoteWriteBody.series([("__name__", "good")], sample)
            + RemoteWriteBody.series([("__name__", "bad"), ("a", "1"), ("a", "2")], sample)
        let response = try await fixture.client().request(
            "POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: RemoteWriteBody.snappy(plain))
        #expect(response.status == 204)
        #expect(response["x-holdfast-refused-points"] == "1")
        #expect(try await fixture.stored().map(\.name) == ["good"])
        await fixture.close()
    }

    @Test(arguments: [
        (["Content-Type: text/plain", "Content-Encoding: snappy"], 415),
        (["Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request"], 415),
        (["Content-Type: application/x-protobuf", "Content-Encoding: gzip"], 415),
        (["Content-Type: application/x-protobuf; proto=prometheus.WriteRequest", "Content-Encoding: snappy"], 204),
        (["Content-Type: application/x-protobuf"], 204),
        ([], 204),
    ])
    func `content type and encoding decide`(headers: [String], status: Int) async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        #expect(try await client.request("POST", "/api/v1/write", headers: headers, body: body(["m"])).status == status)
        // Refused or not, the body was read: the connection goes on.
        #expect(
            try await client.request("POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: body(["m"]))
                .status == 204)
        await fixture.close()
    }

    @Test func `an undecodable body is 400, stores nothing and keeps the connection`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        for bad in [
            [], [0xff, 0xff, 0xff], Array(body(["m"]).dropLast(3)), RemoteWriteBody.snappy([0x0a, 0x7f, 0x01]),
        ] {
            let response = try await client.request(
                "POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: bad as [UInt8])
            #expect(response.status == 400)
            #expect(response["content-type"] == "application/problem+json")
            #expect(response.body.contains("\"request_id\":\"\(response["x-request-id"] ?? "")\""))
        }
        #expect(try await fixture.stored().isEmpty)
        #expect(try await fixture.gateEmpties())
        await fixture.close()
    }

    @Test func `a decompression bomb is 413 before memory is taken`() async throws {
        let fixture = try await IngestFixture(limits: { $0.wire.decodedBytes = 1 << 20 })
        let client = try fixture.client()
        // States four gigabytes.
        let bomb: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0x0f] + [UInt8](repeating: 0, count: 100)
        let response = try await client.request("POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: bomb)
        #expect(response.status == 413)
        #expect(try await client.isClosed())
        await fixture.close()
    }

    @Test func `a store that is full is 503 with Retry-After, and nothing is acknowledged`() async throws {
        let fixture = try await IngestFixture(append: { _ in
            { _, _, completion in completion(.failure(SpoolError(.full, "the spool is full"))) }
        })
        let response = try await fixture.client().request(
            "POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: body(["m"]))
        #expect(response.status == 503)
        #expect(response["retry-after"] == "30")
        #expect(response.body.contains("the spool is full"))
        await fixture.close()
    }

    @Test func `memory between HTTP and disk is bounded, and given back`() async throws {
        let parked = Mailbox<@Sendable () -> Void>()
        let fixture = try await IngestFixture(
            append: { store in
                { request, tenant, completion in
                    parked.put { store.append(request, tenant: tenant, completion: completion) }
                }
            }, limits: { ($0.nodeMemoryBytes, $0.tenantMemoryBytes) = (200 << 10, 200 << 10) },
            server: { $0.headerTimeout = .seconds(300) })
        let first = try fixture.client()
        let second = try fixture.client()
        let big = body((0..<3000).map { "metric_\($0)" })
        try await first.sendRequest("POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: big)
        // The parked commit holds the ticket: it must be gone before the gate can be empty.
        do {
            let commit = try #require(await parked.next())
            #expect(fixture.ingest.gate.heldBytes > 100 << 10)
            let refused = try await second.request("POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: big)
            #expect(refused.status == 503)
            #expect(refused["retry-after"] == "1")
            commit()
        }
        #expect(try await first.receive().status == 204)
        #expect(try await fixture.gateEmpties())
        try await second.sendRequest("POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: big)
        do {
            let next = try #require(await parked.next())
            next()
        }
        #expect(try await second.receive().status == 204)
        #expect(try await fixture.stored().count == 6000)
        await fixture.close()
        #expect(try await fixture.gateEmpties())
    }

    @Test func `two hundred senders at once lose nothing that was acknowledged`() async throws {
        // All connect first: on a busy machine the last one speaks long after its connection was made.
        let fixture = try await IngestFixture(server: { $0.headerTimeout = .seconds(300) })
        let clients = try (0..<200).map { _ in try fixture.client() }
        for round in 0..<3 {
            for (index, client) in clients.enumerated() {
                try await client.sendRequest(
                    "POST", "/api/v1/write", headers: RemoteWriteBody.headers,
                    body: body(["sender_\(index)_\(round)"]))
            }
            for client in clients { #expect(try await client.receive().status == 204) }
        }
        let names = try await fixture.stored().map(\.name)
        #expect(names.count == 600 && Set(names).count == 600)
        await fixture.close()
    }

    @Test func `a drain in the middle of commits answers them, and what it acknowledged is stored`() async throws {
        let arrived = Mailbox<@Sendable () -> Void>()
        let fixture = try await IngestFixture(
            append: { store in
                { request, tenant, completion in
                    arrived.put { store.append(request, tenant: tenant, completion: completion) }
                }
            }, server: { $0.headerTimeout = .seconds(300) })
        let clients = try (0..<100).map { _ in try fixture.client() }
        for (index, client) in clients.enumerated() {
            try await client.sendRequest(
                "POST", "/api/v1/write", headers: RemoteWriteBody.headers, body: body(["sender_\(index)"]))
        }
        // Every request has come as far as its commit, and not one commit has begun, when the drain does.
        var commits: [@Sendable () -> Void] = []
        for _ in clients { commits.append(try #require(await arrived.next())) }
        async let drain: Void = Blocking.run { fixture.server.drain(limit: .seconds(60)) }
        for commit in commits { commit() }
        for client in clients { #expect(try await client.receive().status == 204) }
        await drain
        let stored = try await fixture.stored().map(\.name)
        #expect(Set(stored) == Set(clients.indices.map { "sender_\($0)" }))
        #expect(stored.count == clients.count)
        await fixture.close()
    }
}
