import Forwarder
import Foundation
import Metrics
import TestSupport
import Testing
import WALStore

/// What every backend promises, run over the list of them.
@Suite(.timeLimit(.minutes(2)))
struct BackendContractTests {
    /// A backend that speaks in two ways is there twice.
    static let types = backendTypes.map { $0.type } + [BackendFixture.secondRemoteWrite, BackendFixture.otlpJSON]

    private func make(_ type: String, _ folder: TemporaryFolder, url: String = "http://127.0.0.1:9/") throws
        -> any Backend
    {
        try BackendFixture.make(
            type, BackendFixture.minimum(of: type, url: url, folder: folder.path),
            environment: BackendFixture.environment())
    }

    @Test(arguments: types)
    func `each point is carried, excluded or dead, once`(_ type: String) throws {
        let folder = try TemporaryFolder()
        let backend = try make(type, folder)
        var random = SeededGenerator.fresh()
        for count in [0, 1, 7, 300] {
            let batch = RandomBatch.make(points: count, series: 20, using: &random)
            let request = BackendFixture.encode(backend, BackendFixture.chunk(batch, runs: 3))
            var seen = [Int](repeating: 0, count: count)
            for excluded in request.excluded {
                #expect(!excluded.reason.isEmpty)
                for ordinal in excluded.run.ordinals { seen[ordinal] += 1 }
            }
            for dead in request.dead { for ordinal in dead.run.ordinals { seen[ordinal] += 1 } }
            let unsent = seen.reduce(0, +)
            #expect(seen.allSatisfy { $0 <= 1 }, "seed \(random.seed)")
            #expect(request.points + unsent == count, "seed \(random.seed)")
            guard !request.items.isEmpty else { continue }
            for runs in request.items {
                for run in runs { for ordinal in run.ordinals { seen[ordinal] += 1 } }
            }
            #expect(seen.allSatisfy { $0 == 1 }, "seed \(random.seed)")
        }
    }

    @Test(arguments: types)
    func `a chunk has the same bytes whenever it is encoded`(_ type: String) throws {
        let folder = try TemporaryFolder()
        var random = SeededGenerator.fresh()
        let chunk = BackendFixture.chunk(RandomBatch.make(points: 200, series: 15, using: &random), runs: 2)
        let backend = try make(type, folder)
        let first = BackendFixture.encode(backend, chunk)
        #expect(!first.body.isEmpty)
        #expect(BackendFixture.encode(backend, chunk).body == first.body, "seed \(random.seed)")
        #expect(BackendFixture.encode(try make(type, folder), chunk).body == first.body, "seed \(random.seed)")
        // A request that was used before leaves nothing behind.
        var used = first
        backend.encode(chunk, into: &used)
        #expect(used.body == first.body && used.points == first.points && used.items == first.items)
        #expect(used.excluded.count == first.excluded.count)
    }

    @Test(arguments: types)
    func `every status has an outcome and only a success delivers`(_ type: String) throws {
        let folder = try TemporaryFolder()
        let backend = try make(type, folder)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2])))
        for status in 100...599 {
            let outcome = backend.outcome(of: BackendFixture.answer(status, "words of the server"), to: request)
            if case .delivered = outcome { #expect((200...299).contains(status)) }
            switch status {
            case 401, 403, 404:
                guard BackendFixture.isHTTP(type) else { continue }
                guard case .hold = outcome else {
                    Issue.record("\(status): \(outcome)")
                    continue
                }
            case 413 where BackendFixture.isHTTP(type): #expect(outcome == .tooLarge(limitBytes: nil))
            case 408, 429, 500...599:
                guard case .retry = outcome else {
                    Issue.record("\(status): \(outcome)")
                    continue
                }
            default: break
            }
        }
        for mayHaveArrived in [true, false] {
            let failure = TransportFailure(mayHaveArrived: mayHaveArrived, reason: "connection reset")
            #expect(
                backend.outcome(of: .failure(failure), to: request) == .retry(after: nil, reason: "connection reset"))
        }
    }

    @Test(arguments: types)
    func `a server's wish to wait is heard`(_ type: String) throws {
        guard BackendFixture.isHTTP(type) else { return }
        let backend = try make(type, try TemporaryFolder())
        for status in [429, 503] {
            let answer = BackendFixture.answer(status, headers: ["retry-after": "17"])
            guard case .retry(let after, _) = backend.outcome(of: answer, to: EncodedRequest()) else {
                Issue.record("\(status) is not tried again")
                continue
            }
            #expect(after == .seconds(17))
        }
    }

    @Test(arguments: types)
    func `a hostile answer is read without harm and never as a success of items`(_ type: String) throws {
        let folder = try TemporaryFolder()
        let backend = try make(type, folder)
        let request = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2])))
        var random = SeededGenerator.fresh()
        var bodies: [[UInt8]] = [
            Array("{\"errors\":false,\"items\":[{\"create\":{\"status\":201".utf8), Array("[[[[[[".utf8),
            [UInt8](repeating: UInt8(ascii: "["), count: 10 << 20), [UInt8](repeating: 0xff, count: 10 << 20),
        ]
        for _ in 0..<50 { bodies.append((0..<200).map { _ in UInt8(truncatingIfNeeded: random.next()) }) }
        for body in bodies {
            for status in [200, 400, 409, 422, 500] {
                let response = HTTPResponse(status: status, headers: ["retry-after": "never"], body: body)
                let outcome = backend.outcome(of: .response(response), to: request)
                if BackendFixture.answersInWords(type) { #expect(outcome != .delivered) }
                if case .refused(let reason, _) = outcome {
                    #expect(reason.excerpt.utf8.count <= DeadLetterReason.excerptBytes)
                }
            }
        }
    }

    @Test(arguments: types)
    func `an unknown key is an error that names the nearest one`(_ type: String) throws {
        let folder = try TemporaryFolder()
        var values = try BackendFixture.minimum(of: type, url: "http://127.0.0.1:9", folder: folder.path)
        values["max_pointz"] = "5"
        let error = #expect(throws: SettingsError.self) { try BackendFixture.make(type, values) }
        #expect(error?.message == "backends.b.max_pointz is not a known key; did you mean \"max_points\"?")
        #expect(error?.line == 3)
    }

    @Test(arguments: types)
    func `limits come from the config`(_ type: String) throws {
        let folder = try TemporaryFolder()
        var values = try BackendFixture.minimum(of: type, url: "http://127.0.0.1:9", folder: folder.path)
        values["max_points"] = "12"
        values["max_body_size"] = "1MiB"
        let traits = try BackendFixture.make(type, values).traits
        #expect(traits.maximumPoints == 12)
        #expect(traits.maximumBodyBytes == 1 << 20)
        values["requests_per_second"] = "7"
        values["bytes_per_second"] = "64KiB"
        let paced = try BackendFixture.make(type, values).traits
        #expect(paced.requestsPerSecond == 7 && paced.bytesPerSecond == 64 << 10)
        values["max_points"] = "0"
        #expect(throws: SettingsError.self) { try BackendFixture.make(type, values) }
    }

    @Test(arguments: types)
    func `secrets are in no description`(_ type: String) async throws {
        guard BackendFixture.isHTTP(type) else { return }
        let server = try HTTPTestServer { _, _ in .reset }
        let values = try BackendFixture.minimum(of: type, url: server.url, folder: "")
        let backend = try BackendFixture.make(
            type, values, ["basic_auth": ["username": "root", "password": "env:geheim"]],
            environment: BackendFixture.environment())
        #expect(!"\(backend)".contains("geheim"))
        let outcome = await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([1])))
        #expect(!"\(outcome)".contains("geheim"))
        #expect(server.requests.first?.headers["authorization"] == "Basic cm9vdDpnZWhlaW0=")
        let inline = #expect(throws: SettingsError.self) {
            try BackendFixture.make(type, values, ["basic_auth": ["username": "root", "password": "geheim"]])
        }
        #expect(inline.map { !"\($0)".contains("geheim") } == true)
        server.stop()
    }

    @Test(arguments: types)
    func `headers of the protocol cannot be overridden`(_ type: String) throws {
        guard BackendFixture.isHTTP(type) else { return }
        let values = try BackendFixture.minimum(of: type, url: "http://127.0.0.1:9", folder: "")
        for name in ["Content-Type", "content-encoding", "User-Agent", "Authorization", "Host", "a b", "X-A\r\nX-B"] {
            #expect(throws: SettingsError.self, "\(name)") {
                try BackendFixture.make(type, values, ["headers": [name: "x"]])
            }
        }
    }

    @Test(arguments: types)
    func `a body says what it is and how it is packed`(_ type: String) async throws {
        guard BackendFixture.isHTTP(type) else { return }
        let server = try HTTPTestServer()
        let backend = try make(type, try TemporaryFolder(), url: server.url)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]))
        let rawBytes = BackendFixture.encode(backend, chunk).rawBytes
        _ = await BackendFixture.deliver(backend, chunk)
        server.stop()
        let requests = server.requests.filter { !$0.body.isEmpty }
        #expect(!requests.isEmpty)
        for request in requests {
            // What libcurl says where nobody says anything.
            let contentType = request.headers["content-type"] ?? ""
            #expect(!contentType.isEmpty && contentType != "application/x-www-form-urlencoded")
            let header = request.headers["content-encoding"]
            let coding = try #require(ContentCoding(header: header), "no server knows \(header ?? "")")
            let plain = try BackendFixture.plain(request.body, coding)
            #expect(plain.count == rawBytes)
        }
    }

    @Test(arguments: types)
    func `a url is one`(_ type: String) throws {
        guard BackendFixture.isHTTP(type) else { return }
        for url in ["", "127.0.0.1:9090", "ftp://host/", "http://", "http://u:p@host/", "http://host/a b"] {
            let values = try BackendFixture.minimum(of: type, url: url, folder: "")
            #expect(throws: SettingsError.self, "\(url)") { try BackendFixture.make(type, values) }
        }
    }

    @Test func `an unknown type names the nearest one`() throws {
        let error = #expect(throws: SettingsError.self) { try BackendFixture.make("influx_db", ["url": "x"]) }
        #expect(error?.message.contains("did you mean \"influxdb\"?") == true)
    }

    @Test(arguments: backendTypes.map { $0.type })
    func `a type is in the schema, the reference, the table of second copies and the figures of compression`(
        _ type: String
    ) throws {
        let schema = try JSONValue.parse(Array(try Self.text("schema/config.schema.json").utf8))
        let named =
            schema["properties"]?["backends"]?["additionalProperties"]?["properties"]?["type"]?["enum"]?.array ?? []
        #expect(named.contains { $0.string == type }, "schema/config.schema.json")
        // In the block of the reference that has a backend of each type.
        let example = try Self.text("docs/configuration.md").split(separator: "\n").contains { line in
            line.hasPrefix("    type: ") && line.dropFirst("    type: ".count).prefix { $0 != " " } == type
        }
        #expect(example, "docs/configuration.md, Backends")
        let guarantees = try Self.text("docs/guarantees.md")
        let copies = guarantees[try #require(guarantees.firstRange(of: "| backend | a second copy |")).upperBound...]
        let table = copies[..<(copies.firstRange(of: "\n\n")?.lowerBound ?? copies.endIndex)]
        #expect(table.contains("\n| `\(type)` |"), "docs/guarantees.md, a second copy")
        let isPacked = CompressionTests.types.contains(type)
        #expect(isPacked != CompressionTests.plainTypes.contains(type), "CompressionTests: one of its two lists")
    }

    private static func text(_ path: String) throws -> String {
        let root = String(#filePath.dropLast("Tests/ForwarderTests/Backends/BackendContractTests.swift".count))
        return try String(contentsOfFile: root + path, encoding: .utf8)
    }

    @Test func `types are told apart`() {
        #expect(Set(backendTypes.map { $0.type }).count == backendTypes.count)
    }
}
