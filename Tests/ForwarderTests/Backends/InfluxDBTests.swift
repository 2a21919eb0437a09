import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// <https://docs.influxdata.com/influxdb/v1/tools/api/>, <https://docs.influxdata.com/influxdb/v2/api/>
@Suite(.timeLimit(.minutes(10)))
struct InfluxDBTests {
    private func make(_ url: String, _ values: [String: String] = [:]) throws -> any Backend {
        try BackendFixture.make("influxdb", ["url": url, "database": "m"].merging(values) { $1 })
    }

    @Test func `version 1 gets lines with database, policy and precision in the query`() async throws {
        let server = try HTTPTestServer()
        let backend = try make(server.url, ["database": "m {tenant}", "retention_policy": "week"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1.5, 2]))
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.target == "/write?db=m%20acme&rp=week&precision=n")
        #expect(request.headers["content-encoding"] == "gzip")
        let plain = try BackendFixture.plain(request.body, .gzip)
        #expect(
            String(decoding: plain, as: UTF8.self)
                == "up,number=0 value=1.5 1790000000000000000\nup,number=1 value=2 1790000000000000000\n")
        server.stop()
    }

    @Test func `version 2 gets org, bucket and token`() async throws {
        let server = try HTTPTestServer()
        let backend = try BackendFixture.make(
            "influxdb",
            ["url": server.url + "/", "version": "2", "org": "o", "bucket": "b", "token": "env:t0k", "gzip": "false"])
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([3]))) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.target == "/api/v2/write?bucket=b&org=o&precision=ns")
        #expect(request.headers["authorization"] == "Token t0k")
        #expect(request.text == "up,number=0 value=3 1790000000000000000\n")
        #expect(!"\(backend)".contains("t0k"))
        server.stop()
    }

    @Test func `what is no number is excluded and the rest goes`() throws {
        let request = BackendFixture.encode(
            try make("http://127.0.0.1:9"), BackendFixture.chunk(BackendFixture.samples([1, .nan, .infinity, 4])))
        #expect(request.points == 2)
        #expect(request.excluded.reduce(0) { $0 + $1.run.ordinals.count } == 2)
    }

    @Test func `version 3 gets the database, the token and what it must not guess`() async throws {
        let server = try HTTPTestServer()
        let backend = try BackendFixture.make(
            "influxdb", ["url": server.url, "version": "3", "database": "d-{tenant}", "token": "env:t0k"])
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([3]))) == .delivered)
        let request = try #require(server.requests.first)
        #expect(request.target == "/api/v3/write_lp?db=d-acme&precision=nanosecond&accept_partial=true")
        #expect(request.headers["authorization"] == "Bearer t0k")
        server.stop()
    }

    @Test(arguments: [
        (500, "{\"error\":\"retention policy not found: week\"}"), (404, "database not found"), (200, "{}"),
    ])
    func `what only an operator can mend holds`(_ status: Int, _ body: String) throws {
        let outcome = try make("http://127.0.0.1:9").outcome(
            of: BackendFixture.answer(status, body), to: EncodedRequest())
        guard case .hold = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test func `the target is checked with the config`() {
        #expect(throws: SettingsError.self) { try make("http://127.0.0.1:9", ["version": "4"]) }
        #expect(throws: SettingsError.self) {
            try make("http://127.0.0.1:9", ["version": "3", "retention_policy": "week"])
        }
        #expect(throws: SettingsError.self) { try make("http://127.0.0.1:9", ["database": ""]) }
        #expect(throws: SettingsError.self) { try make("http://127.0.0.1:9/?db=x") }
        #expect(throws: SettingsError.self) { try make("http://127.0.0.1:9", ["version": "2"]) }
    }
}
