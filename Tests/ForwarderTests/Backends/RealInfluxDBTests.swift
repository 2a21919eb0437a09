import Forwarder
import Foundation
import Metrics
import TestSupport
import Testing
import WALStore

/// Against Debian's `influxdb`, which is 1.6.
@Suite(.timeLimit(.minutes(5)))
struct RealInfluxDBTests {
    private final class Server {
        let url: String
        private let folder: TemporaryFolder
        private let process: ChildProcess
        private let transport = HTTPTransport()

        init() async throws {
            folder = try TemporaryFolder()
            // Ports that nobody listens on: where servers were that have stopped.
            let former = [try HTTPTestServer(), try HTTPTestServer()]
            for server in former { server.stop() }
            url = former[0].url
            let config = """
                reporting-disabled = true
                bind-address = "127.0.0.1:\(former[1].port)"
                [meta]
                  dir = "\(folder.path)/meta"
                [data]
                  dir = "\(folder.path)/data"
                  wal-dir = "\(folder.path)/wal"
                [http]
                  bind-address = "127.0.0.1:\(former[0].port)"
                  log-enabled = false
                [monitor]
                  store-enabled = false
                """
            let file = try #require(fopen(folder.path + "/influxdb.conf", "w"))
            fwrite(config, 1, config.utf8.count, file)
            fclose(file)
            process = try ChildProcess(
                "/usr/bin/influxd", ["run", "-config", folder.path + "/influxdb.conf"], output: .discarded,
                errors: .file(folder.path + "/words"))
            for _ in 0..<1000 {
                if case .response = await transport.perform(HTTPRequest(.get, url + "/ping")) { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            _ = try await ask("CREATE DATABASE m")
            _ = try await ask("CREATE RETENTION POLICY week ON m DURATION 7d REPLICATION 1")
        }

        @discardableResult func ask(_ query: String) async throws -> JSONValue {
            let escaped = query.utf8.map { byte in
                let digits = String(byte, radix: 16)
                return "%" + (digits.count < 2 ? "0" : "") + digits
            }
            let request = HTTPRequest(.post, url + "/query?db=m&q=" + escaped.joined(), body: [])
            guard case .response(let response) = await transport.perform(request) else { return .null }
            return try JSONValue.parse(response.body)
        }

        /// Points that have a `value`, over all measurements.
        func points(in policy: String = "autogen") async throws -> Int {
            let answer = try await ask("SELECT count(value) FROM \(policy)./.*/")
            let series = answer["results"]?.array?.first?["series"]?.array ?? []
            return series.reduce(0) {
                $0 + Int($1["values"]?.array?.first?.array?.last?.int ?? 0)
            }
        }

        deinit {
            transport.close()
            process.kill()
        }
    }

    private let now = TimeSource.system.wall()

    private func make(_ server: Server, _ values: [String: String] = [:]) throws -> any Backend {
        try BackendFixture.make("influxdb", ["url": server.url, "database": "m"].merging(values) { $1 })
    }

    @Test func `lines that it cannot parse are dead with its words, and their neighbours are stored`() async throws {
        let server = try await Server()
        var batch = BackendFixture.samples([1, 2, 3, 4], from: now)
        batch.points.times[1] = .min
        // More than its 65,535 bytes of a key, in labels that we take.
        let labels = (0..<10).map { ("long\($0)", String(repeating: "x", count: 7_000)) }
        let id = BackendFixture.series("up", labels, in: &batch)
        batch.points.appendFloat64(series: id, time: now, bits: (5.0).bitPattern)
        guard case .partly(let items) = await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch))
        else {
            Issue.record("two lines are refused")
            return
        }
        #expect(items.map(\.runs) == [1..<2, 4..<5].map { [LeasedRun(piece: 0, ordinals: $0)] })
        var words: [String] = []
        for item in items { if case .dead(let reason) = item.verdict { words.append(reason.excerpt) } }
        #expect(words.count == 2)
        #expect(words.first?.hasPrefix("time outside range") == true)
        #expect(words.last?.hasPrefix("max key length exceeded") == true)
        #expect(try await server.points() == 3)
    }

    @Test func `nothing but lines that it cannot parse is nothing but dead letters`() async throws {
        let server = try await Server()
        var batch = BackendFixture.samples([1, 2], from: now)
        batch.points.times[0] = .min
        batch.points.times[1] = .max
        guard case .partly(let items) = await BackendFixture.deliver(try make(server), BackendFixture.chunk(batch))
        else {
            Issue.record("both lines are refused")
            return
        }
        #expect(items.map(\.runs) == [0..<1, 1..<2].map { [LeasedRun(piece: 0, ordinals: $0)] })
    }

    /// It says nothing of the line that it could not parse when it speaks of retention: to count the others as stored would
    /// lose that one.
    @Test func `what is beyond retention is dead, and a line it kept silent about is dead after the next request`()
        async throws
    {
        let server = try await Server()
        let backend = try make(server, ["retention_policy": "week"])
        var batch = BackendFixture.samples([1, 2, 3, 4, 5], from: now)
        batch.points.times[1] = 1000
        batch.points.times[2] = 2000
        batch.points.times[4] = .max
        var chunk = BackendFixture.chunk(batch)
        guard case .partly(let first) = await BackendFixture.deliver(backend, chunk) else {
            Issue.record("two points are too old")
            return
        }
        #expect(first.map(\.runs.points) == [2, 3])
        #expect(first.last?.verdict == .again)
        chunk.runs = first.last?.runs ?? []
        guard case .partly(let second) = await BackendFixture.deliver(backend, chunk) else {
            Issue.record("a line cannot be parsed")
            return
        }
        #expect(second.map(\.runs) == [[LeasedRun(piece: 0, ordinals: 4..<5)]])
        #expect(try await server.points(in: "week") == 2)
    }

    /// It names the first conflict and counts all of them.
    @Test func `a conflict of types is looked for down to the point`() async throws {
        let server = try await Server()
        var integers = Batch()
        let id = BackendFixture.series("bad", [], in: &integers)
        integers.points.append(series: id, time: now, kind: .int64, bits: 1)
        #expect(await BackendFixture.deliver(try make(server), BackendFixture.chunk(integers)) == .delivered)
        var batch = BackendFixture.samples([1, 2, 3], from: now)
        let bad = BackendFixture.series("bad", [], in: &batch)
        batch.points.appendFloat64(series: bad, time: now, bits: (1.5).bitPattern)
        guard
            case .refused(let reason, false) = await BackendFixture.deliver(
                try make(server), BackendFixture.chunk(batch))
        else {
            Issue.record("it does not say which line it was")
            return
        }
        #expect(reason.excerpt.contains("field type conflict") && reason.excerpt.contains("dropped=1"))
    }

    @Test func `through a lane each point is stored or dead, whatever was wrong with the others`() async throws {
        let server = try await Server()
        try await server.ask("ALTER RETENTION POLICY week ON m DEFAULT")
        let backend = try make(server)
        var integers = Batch()
        let id = BackendFixture.series("bad", [], in: &integers)
        integers.points.append(series: id, time: now, kind: .int64, bits: 1)
        var batch = BackendFixture.samples((0..<300).map(Double.init), from: now)
        for ordinal in 0..<40 { batch.points.times[ordinal * 3] = Int64(ordinal + 1) * 1000 }
        batch.points.times[1] = .max
        let bad = BackendFixture.series("bad", [], in: &batch)
        batch.points.appendFloat64(series: bad, time: now, bits: (1.5).bitPattern)
        let run = try SpoolRun()
        try await run.deliver([integers], through: backend)
        let ledger = try await run.deliver([batch], through: backend)
        #expect(ledger.deliveredPoints == 1 + 259 && ledger.deadPoints == 42 && ledger.owedPoints == 302)
        #expect(try await server.points(in: "week") == 260)
    }

    @Test func `it takes whatever the backend makes of random points`() async throws {
        let server = try await Server()
        var random = SeededGenerator.fresh()
        let chunk = BackendFixture.chunk(RandomBatch.make(points: 200, series: 25, using: &random), runs: 3)
        switch await BackendFixture.deliver(try make(server), chunk) {
        case .delivered: break
        case .refused(let reason, _): #expect(reason.excerpt.contains("field type conflict"), "seed \(random.seed)")
        case let other: Issue.record("\(other), seed \(random.seed)")
        }
    }
}

extension [LeasedRun] {
    fileprivate var points: Int { reduce(0) { $0 + $1.ordinals.count } }
}
