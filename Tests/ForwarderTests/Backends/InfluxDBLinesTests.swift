import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// What an InfluxDB says of lines it refused, and which points those are.
/// <https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/>,
/// <https://docs.influxdata.com/influxdb3/core/write-data/http-api/v3-write-lp/>
@Suite(.timeLimit(.minutes(10)))
struct InfluxDBLinesTests {
    private let start: Int64 = 1_790_000_000_000_000_000

    private func make(_ server: InfluxServer, _ version: Int) throws -> any Backend {
        try BackendFixture.make(
            "influxdb",
            [
                "url": server.url, "version": "\(version)", version == 2 ? "bucket" : "database": "metrics",
                "token": "env:t0k",
            ])
    }

    private func answer(
        _ status: Int, _ body: String, to chunk: Chunk, _ values: [String: String] = [:]
    ) throws -> DeliveryOutcome {
        let backend = try BackendFixture.make(
            "influxdb", ["url": "http://127.0.0.1:9", "database": "m"].merging(values) { $1 })
        return backend.outcome(of: BackendFixture.answer(status, body), to: BackendFixture.encode(backend, chunk))
    }

    private func dead(_ ordinals: Range<Int>, _ words: String, _ status: Int = 400) -> ItemOutcome {
        ItemOutcome(
            runs: [LeasedRun(piece: 0, ordinals: ordinals)],
            verdict: .dead(DeadLetterReason(code: "refused", excerpt: words, status: status)))
    }

    /// One series a point, a second apart.
    private func chunk(_ names: [String], from time: Int64 = 1_790_000_000_000_000_000) -> Chunk {
        var batch = Batch()
        for (index, name) in names.enumerated() {
            let id = BackendFixture.series(name, [("at", "\(index)")], in: &batch)
            batch.points.appendFloat64(series: id, time: time + Int64(index) * 1_000_000_000, bits: (1.5).bitPattern)
        }
        return BackendFixture.chunk(batch)
    }

    /// Sends as a lane does where answers name lines: what is to go out again does, until nothing is left.
    private func deliver(
        _ backend: any Backend, _ chunk: Chunk
    ) async -> (dead: [(runs: [LeasedRun], reason: DeadLetterReason)], requests: Int) {
        var dead: [(runs: [LeasedRun], reason: DeadLetterReason)] = []
        var left = chunk
        for requests in 1...10 {
            switch await BackendFixture.deliver(backend, left) {
            case .delivered: return (dead, requests)
            case .partly(let items):
                left.runs = []
                for item in items {
                    switch item.verdict {
                    case .dead(let reason): dead.append((item.runs, reason))
                    case .again: left.runs += item.runs
                    default: Issue.record("\(item)")
                    }
                }
                if left.runs.isEmpty { return (dead, requests) }
            case let other:
                Issue.record("\(other)")
                return (dead, requests)
            }
        }
        Issue.record("it does not come to an end")
        return (dead, 10)
    }

    @Test(arguments: [2, 3])
    func `each tenant has its own token, and one that has none is held`(_ version: Int) async throws {
        let server = try InfluxServer(version == 2 ? .v2 : .v3)
        defer { server.stop() }
        let backend = try BackendFixture.make(
            "influxdb",
            ["url": server.url, "version": "\(version)", version == 2 ? "bucket" : "database": "metrics"],
            ["tokens": ["acme": "env:t0k", "globex": "env:other"]])
        let batch = BackendFixture.samples([1])
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(batch)) == .delivered)
        for tenant in ["globex", "initech"] {
            guard case .hold = await BackendFixture.deliver(backend, BackendFixture.chunk(batch, tenant: tenant)) else {
                Issue.record("\(tenant) has no right to write")
                continue
            }
        }
        #expect(server.points.count == 1 && server.statuses == [204, 401])
    }

    // MARK: Version 3

    @Test func `version 3 stores the others of a request, and each line it names is dead with its words`() async throws
    {
        let server = try InfluxServer(.v3)
        defer { server.stop() }
        server.define("bad", "value", .integer)
        let chunk = chunk(["up", "bad", "up", "bad", "up"])
        let outcome = await BackendFixture.deliver(try make(server, 3), chunk)
        let words =
            #"field type conflict: input field "value" on measurement "bad" is type float, already exists as type integer"#
        #expect(outcome == .partly([dead(1..<2, words), dead(3..<4, words)]))
        #expect(server.points.count == 3)
        #expect(server.faults.isEmpty && server.statuses == [400])
    }

    @Test func `more bad lines than an answer names are found in the next ones`() async throws {
        let server = try InfluxServer(.v3)
        defer { server.stop() }
        server.define("bad", "value", .integer)
        let chunk = chunk((0..<500).map { $0 % 2 == 0 ? "up" : "bad" })
        let (dead, requests) = await deliver(try make(server, 3), chunk)
        #expect(dead.reduce(0) { $0 + $1.runs.reduce(0) { $0 + $1.ordinals.count } } == 250)
        #expect(dead.allSatisfy { $0.reason.excerpt.contains("field type conflict") })
        #expect(server.points.count == 250)
        #expect(requests == 3)
    }

    @Test func `where nothing of a request with a bad line is stored, the others go out again`() async throws {
        var behaviour = InfluxServer.Behaviour()
        behaviour.acceptsPartial = false
        let server = try InfluxServer(.v3, behaviour)
        defer { server.stop() }
        server.define("bad", "value", .integer)
        let (dead, requests) = await deliver(try make(server, 3), chunk(["up", "bad", "up", "bad"]))
        #expect(dead.map(\.runs) == [1..<2, 3..<4].map { [LeasedRun(piece: 0, ordinals: $0)] })
        #expect(requests == 3 && server.points.count == 2)
    }

    @Test func `a label named like the field is dead alone`() async throws {
        let server = try InfluxServer(.v3)
        defer { server.stop() }
        var batch = BackendFixture.samples([1, 2])
        let id = BackendFixture.series("up", [("value", "x")], in: &batch)
        batch.points.appendFloat64(series: id, time: start, bits: (3.0).bitPattern)
        let (dead, _) = await deliver(try make(server, 3), BackendFixture.chunk(batch))
        #expect(dead.map(\.runs) == [[LeasedRun(piece: 0, ordinals: 2..<3)]])
        #expect(server.points.count == 2)
    }

    @Test(arguments: [
        #"[]"#, #"[{"line_number":9,"original_line":"up","error_message":"x"}]"#,
        #"[{"line_number":0,"original_line":"up","error_message":"x"}]"#,
        #"[{"line_number":1,"original_line":"down","error_message":"x"}]"#,
        #"[{"line_number":1,"original_line":"","error_message":"x"}]"#, #"[{"line_number":1,"original_line":"up"}]"#,
        #""up""#,
    ])
    func `an entry that is of no line of ours is not believed`(_ data: String) throws {
        let body = #"{"error":"partial write of line protocol occurred","data":\#(data)}"#
        guard case .refused = try answer(400, body, to: chunk(["up", "up"]), ["version": "3"]) else {
            Issue.record("\(data) was believed")
            return
        }
    }

    @Test(arguments: [2, 3])
    func `through a lane what is stored is delivered, and what is refused is dead`(_ version: Int) async throws {
        let server = try InfluxServer(version == 2 ? .v2 : .v3)
        defer { server.stop() }
        server.define("bad", "value", .integer)
        let names = (0..<400).map { $0 % 100 == 7 ? "bad" : "up" }
        let ledger = try await SpoolRun().deliver([chunk(names).pieces[0].batch], through: try make(server, version))
        #expect(ledger.deliveredPoints == 396 && ledger.deadPoints == 4)
        #expect(server.points.count == 396)
        // Version 2 counts them, and names the first.
        #expect(version == 2 ? server.statuses.count > 10 : server.statuses == [400])
    }

    // MARK: Version 2

    @Test func `version 2 stores nothing for a line it cannot parse, which is dead, and the others go out again`()
        async throws
    {
        let server = try InfluxServer(.v2)
        defer { server.stop() }
        var batch = BackendFixture.samples([1, 2, 3])
        batch.points.times[1] = .min
        let (dead, requests) = await deliver(try make(server, 2), BackendFixture.chunk(batch))
        #expect(dead.map(\.runs) == [[LeasedRun(piece: 0, ordinals: 1..<2)]])
        #expect(dead.map(\.reason.excerpt) == ["time outside range -9223372036854775806 - 9223372036854775806"])
        #expect(requests == 2 && server.points.count == 2 && server.statuses == [400, 204])
        #expect(server.faults.isEmpty)
    }

    @Test func `what is beyond retention is dead by its age, the rest goes out again`() async throws {
        var behaviour = InfluxServer.Behaviour()
        behaviour.oldest = start + 100_000_000_000
        let server = try InfluxServer(.v2, behaviour)
        defer { server.stop() }
        let (dead, requests) = await deliver(try make(server, 2), chunk(Array(repeating: "up", count: 300)))
        #expect(dead.map(\.runs.count) == [100] && dead[0].runs[99].ordinals == 99..<100)
        #expect(dead[0].reason.excerpt.hasSuffix("partial write: points beyond retention policy dropped=100"))
        #expect(requests == 2 && server.points.count == 200)
    }

    @Test(arguments: [
        #"partial write: field type conflict: input field \"value\" on measurement \"up\" is type float, already exists as type integer dropped=1"#,
        "partial write: points beyond retention policy dropped=9",
        "partial write: points beyond retention policy dropped=0",
        "unable to parse 'down value=1': bad",
        "partial write: unable to parse 'up,at=0 value=1.5 1790000000000000000': bad", "dropped=", "",
    ])
    func `an answer that does not say which lines it refuses has them looked for`(_ words: String) throws {
        for (status, body) in [(400, #"{"error":"\#(words)"}"#), (422, #"{"code":"x","message":"\#(words)"}"#)] {
            guard case .refused(let reason, false) = try answer(status, body, to: chunk(["up", "up"])) else {
                Issue.record("\(words) was believed")
                continue
            }
            #expect(reason.status == status)
        }
    }

    @Test func `the oldest are not told apart from others of the same time`() throws {
        var batch = BackendFixture.samples([1, 2, 3])
        batch.points.times[2] += 1
        let body = #"{"error":"partial write: points beyond retention policy dropped=1"}"#
        guard case .refused = try answer(400, body, to: BackendFixture.chunk(batch)) else {
            Issue.record("the first two are of one time")
            return
        }
    }
}
