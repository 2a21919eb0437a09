import TestSupport
import Testing
import WALStore

@testable import Daemon

/// The one success that stores nothing has to say so in every protocol.
@Suite struct DroppedAnswerTests {
    private func fullFixture() async throws -> IngestFixture {
        try await IngestFixture(
            upkeepInterval: nil,
            spools: { spool in
                spool.maximumBytes = 2 << 20
                spool.whenFull = .dropNewest
            })
    }

    /// Sends text that does not compress until the budget is used up and a request is dropped whole.
    ///
    /// - Returns: points stored.
    private func fill(_ client: PatientClient) async throws -> Int {
        var random = SeededGenerator(seed: 1)
        for stored in 0..<1000 {
            let text = (0..<4096).map { _ in String(random.next(), radix: 36) }.joined()
            let body = "first v=\"\(text)\"" + "\n"
            let answer = try await client.request("POST", "/write?db=d", body: Array(body.utf8))
            try #require(answer.status == 204)
            if answer["x-holdfast-dropped"] != nil { return stored }
        }
        Issue.record("a budget of 2 MiB holds a thousand requests of 48 KiB")
        return 0
    }

    @Test func `what drop_newest turns away is counted in each answer`() async throws {
        let fixture = try await fullFixture()
        let client = try fixture.client()
        let stored = try await fill(client)
        let json = try await client.request(
            "POST", "/api/v1/json", headers: ["Content-Type: application/x-ndjson"],
            body: Array("{\"name\":\"a\",\"value\":1}\n{\"name\":\"a\",\"value\":2}\n".utf8))
        #expect(json.status == 200)
        #expect(json["x-holdfast-dropped"] == "2")
        #expect(json.body.contains("\"accepted\":0"), "\(json.body)")
        #expect(json.body.contains("\"dropped\":2"), "\(json.body)")
        for path in ["/write?db=d", "/api/v2/write?bucket=d"] {
            let lines = try await client.request("POST", path, body: Array("a v=1\na v=2\na v=3\n".utf8))
            #expect(lines.status == 204)
            #expect(lines["x-holdfast-dropped"] == "3")
        }
        let sample = RemoteWriteBody.Sample(value: 1, milliseconds: 1_800_000_000_000)
        let write = try await client.request(
            "POST", "/api/v1/write", headers: RemoteWriteBody.headers,
            body: RemoteWriteBody.snappy(RemoteWriteBody.series([("__name__", "a")], [sample])))
        #expect(write.status == 204)
        #expect(write["x-holdfast-dropped"] == "1")
        #expect(Set(try await fixture.stored().map(\.name)) == ["first"])
        #expect(try await fixture.stored().count == stored)
        await fixture.close()
    }

    @Test func `an answer that stored all has no word of drops`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let lines = try await client.request("POST", "/write?db=d", body: Array("a v=1\n".utf8))
        #expect(lines.status == 204)
        #expect(lines["x-holdfast-dropped"] == nil)
        let json = try await client.request(
            "POST", "/api/v1/json", headers: ["Content-Type: application/json"],
            body: Array("{\"name\":\"a\",\"value\":1}".utf8))
        #expect(json["x-holdfast-dropped"] == nil)
        #expect(!json.body.contains("dropped"))
        await fixture.close()
    }

    @Test(arguments: [
        ("/write?db=d", "text/plain; charset=iso-8859-1"), ("/api/v2/write?bucket=d", "text/plain;charset=\"latin1\""),
        ("/api/v1/json", "application/json; charset=utf-16"), ("/api/v1/json", "application/x-ndjson; charset=latin1"),
    ])
    func `text in another charset is refused, not stored as other letters`(path: String, type: String) async throws {
        let fixture = try await IngestFixture()
        let response = try await fixture.client().request(
            "POST", path, headers: ["Content-Type: \(type)"], body: [0x61, 0xe4, 0x20, 0x76, 0x3d, 0x31])
        #expect(response.status == 415)
        #expect(response.body.contains("utf-8"))
        #expect(try await fixture.stored().isEmpty)
        await fixture.close()
    }

    @Test(arguments: ["text/plain; charset=utf-8", "text/plain; charset=\"UTF-8\"", "text/plain"])
    func `UTF-8 by any spelling is taken`(type: String) async throws {
        let fixture = try await IngestFixture()
        let response = try await fixture.client().request(
            "POST", "/write?db=d", headers: ["Content-Type: \(type)"], body: Array("a v=1\n".utf8))
        #expect(response.status == 204)
        await fixture.close()
    }
}
