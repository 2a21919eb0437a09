import Metrics
import Testing

@testable import Daemon

@Suite struct InfluxSourceTests {
    @Test func `lines become points, and a line without a time has its arrival's`() async throws {
        let fixture = try await IngestFixture()
        let lines = "cpu,host=a usage=0.5,idle=99 1800000000\ncpu,host=b usage=1\n"
        let response = try await fixture.client().request(
            "POST", "/write?db=telegraf&precision=s", body: Array(lines.utf8))
        #expect(response.status == 204)
        #expect(response["x-influxdb-version"] == "holdfast-test")
        let points = try await fixture.stored()
        #expect(points.map(\.field) == ["usage", "idle", "usage"])
        #expect(points.map(\.value) == [0.5, 99, 1])
        #expect(points[0].time == 1_800_000_000_000_000_000)
        #expect(points[2].time == IngestFixture.arrival)
        #expect(points[2].name == "cpu" && points[2].labels == ["host": "b"])
        await fixture.close()
    }

    @Test func `good lines are stored before the bad ones are told of, in each version's words`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let lines = Array("good v=1 1\nbad line here\ngood v=2 2\n".utf8)
        let first = try await client.request("POST", "/write?db=d", body: lines)
        #expect(first.status == 400)
        #expect(first.body.hasPrefix("{\"error\":\"partial write: line 2: "))
        #expect(first["x-holdfast-refused-points"] == "1")
        let second = try await client.request("POST", "/api/v2/write?bucket=d", body: lines)
        #expect(second.status == 422)
        #expect(second.body.hasPrefix("{\"code\":\"unprocessable entity\",\"message\":\"partial write: line 2: "))
        #expect(try await fixture.stored().map(\.value) == [1, 2, 1, 2])
        await fixture.close()
    }

    @Test func `a bad line is refused as the points it has fields for, and one that is no line as one`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let lines = Array("good v=1 1\nbad a=1,b=2,c=x,d=4 2\n".utf8)
        let four = try await client.request("POST", "/write?db=d", body: lines)
        #expect(four.status == 400 && four["x-holdfast-refused-points"] == "4")
        #expect(four.body.contains("dropped=4"), "\(four.body)")
        let one = try await client.request("POST", "/write?db=d", body: Array("good v=1 1\nbad line here\n".utf8))
        #expect(one.status == 400 && one["x-holdfast-refused-points"] == "1", "\(one.body)")
        let none = try await client.request("POST", "/write?db=d", body: Array("bad a=1,c=x 2\n".utf8))
        #expect(none.status == 400 && none["x-holdfast-refused-points"] == nil, "a 400 without it has stored nothing")
        #expect(try await fixture.stored().map(\.value) == [1, 1])
        await fixture.close()
    }

    @Test func `a body of bad lines only is refused whole`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let first = try await client.request("POST", "/write?db=d", body: Array("bad".utf8))
        #expect(first.status == 400 && first.body.hasPrefix("{\"error\":\"line 1: "))
        let second = try await client.request("POST", "/api/v2/write?bucket=d", body: Array("bad".utf8))
        #expect(second.status == 400 && second.body.hasPrefix("{\"code\":\"invalid\",\"message\":\"line 1: "))
        #expect(try await fixture.stored().isEmpty)
        await fixture.close()
    }

    @Test(arguments: [
        ("/write", 400, "database is required"), ("/api/v2/write", 400, "bucket is required"),
        ("/write?db=d&precision=fortnight", 400, "invalid precision"),
        ("/write?db=d&precision=", 204, ""), ("/write?db=d&precision=ns", 204, ""),
        ("/api/v2/write?org=o&bucket=d&precision=us", 204, ""),
    ])
    func `parameters are checked`(path: String, status: Int, words: String) async throws {
        let fixture = try await IngestFixture()
        let response = try await fixture.client().request("POST", path, body: Array("m v=1 1".utf8))
        #expect(response.status == status)
        #expect(words.isEmpty || response.body.contains(words))
        await fixture.close()
    }

    @Test func `gzip is taken, a bomb is cut, other encodings are 415`() async throws {
        let fixture = try await IngestFixture(limits: { $0.wire.decodedBytes = 1 << 20 })
        let client = try fixture.client()
        let gzip = ["Content-Encoding: gzip"]
        #expect(
            try await client.request("POST", "/write?db=d", headers: gzip, body: packed(Array("m v=1 1".utf8))).status
                == 204)
        #expect(
            try await client.request("POST", "/write?db=d", headers: gzip, body: Array("m v=1 1".utf8)).status == 400)
        #expect(
            try await client.request("POST", "/write?db=d", headers: ["Content-Encoding: br"], body: [1]).status == 415)
        let bomb = packed([UInt8](repeating: 35, count: 8 << 20))
        let response = try await client.request("POST", "/write?db=d", headers: gzip, body: bomb)
        #expect(response.status == 413)
        #expect(try await client.isClosed())
        #expect(try await fixture.stored().count == 1)
        await fixture.close()
    }

    @Test func `what Telegraf asks before it writes is answered`() async throws {
        let fixture = try await IngestFixture()
        let client = try fixture.client()
        let ping = try await client.request("GET", "/ping")
        #expect(ping.status == 204 && ping["x-influxdb-version"] == "holdfast-test")
        #expect(try await client.request("HEAD", "/ping").status == 204)
        #expect(try await client.request("GET", "/health").body.contains("\"status\":\"pass\""))
        let form = Array("q=CREATE+DATABASE+%22telegraf%22".utf8)
        let created = try await client.request(
            "POST", "/query", headers: ["Content-Type: application/x-www-form-urlencoded"], body: form)
        #expect(created.status == 200 && created.body == "{\"results\":[{\"statement_id\":0}]}\n")
        #expect(try await client.request("GET", "/query?q=CREATE%20DATABASE%20x").status == 200)
        #expect(try await client.request("GET", "/query?q=DROP%20DATABASE%20x").status == 400)
        await fixture.close()
    }
}

func packed(_ plain: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    plain.withUnsafeBytes { Gzip.compress($0, into: &bytes) }
    return bytes
}
