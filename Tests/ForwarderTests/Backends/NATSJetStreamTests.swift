import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

/// Against a real server; what it holds is read back by its makers' own client.
@Suite(.timeLimit(.minutes(10)))
struct NATSJetStreamTests {
    func make(
        _ server: NATSServer, _ values: [String: String] = [:], _ sections: [String: [String: String]] = [:]
    ) throws -> any Backend {
        let minimum = ["url": server.url, "subject": "metrics.{tenant}", "payload": "json", "compression": "none"]
        return try BackendFixture.make("nats_jetstream", minimum.merging(values) { $1 }, sections)
    }

    func attempt(_ backend: any Backend, _ chunk: Chunk) async -> Answer {
        let transport = HTTPTransport()
        defer { transport.close() }
        return await backend.send(BackendFixture.encode(backend, chunk), of: chunk, attempt: 1, over: transport)
    }

    private func values(_ batch: Batch) -> [Double] {
        (0..<batch.points.count).map { Double(bitPattern: batch.points.bits[$0]) }
    }

    // MARK: Points

    @Test(arguments: ["gzip", "zstd", "none"])
    func `each point is in the stream, on its tenant's subject, with an id and what it takes to read it`(
        _ compression: String
    ) async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"])
        let backend = try make(server, ["compression": compression, "stream": "points"])
        for (tenant, first) in [("acme", 0), ("shop", 100)] {
            let samples = BackendFixture.samples((0..<50).map { Double(first + $0) })
            #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(samples, tenant: tenant)) == .delivered)
        }
        let messages = try await server.messages(of: "points")
        #expect(messages.map(\.subject) == ["metrics.acme", "metrics.shop"])
        #expect(messages.map { $0.headers["Holdfast-Tenant"] } == ["acme", "shop"])
        for (message, first) in zip(messages, [0, 100]) {
            #expect(message.headers["Content-Type"] == "application/x-ndjson")
            #expect(message.headers["Content-Encoding"] == (compression == "none" ? nil : compression))
            let coding: ContentCoding = compression == "gzip" ? .gzip : compression == "zstd" ? .zstd : .identity
            let request = try WireDecoding.records(BackendFixture.plain(message.body, coding))
            #expect(values(request.batch) == (0..<50).map { Double(first + $0) })
        }
        #expect(Set(messages.map { $0.headers["Nats-Msg-Id"] }).count == 2)
    }

    @Test func `a record says its place, lines and OTLP are what their readers take`() async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1.5, 2.5]), sequence: 7)
        for payload in ["json", "line_protocol", "otlp"] {
            #expect(await BackendFixture.deliver(try make(server, ["payload": payload]), chunk) == .delivered)
        }
        let messages = try await server.messages(of: "points")
        let first = String(decoding: messages[0].body, as: UTF8.self).split(separator: "\n")
        #expect(first.map { $0.prefix(14) } == ["{\"place\":\"7.0\"", "{\"place\":\"7.1\""])
        #expect(values(try WireDecoding.lines(messages[1].body).batch) == [1.5, 2.5])
        #expect(messages[2].headers["Content-Type"] == "application/x-protobuf")
        #expect(try OTLPMessage(messages[2].body).points.count == 2)
    }

    // MARK: Copies

    @Test func `a copy is delivered and kept once, while the same place with other points is another message`()
        async throws
    {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]))
        // One backend after a reload is another value, with another connection.
        for _ in 0..<2 {
            let backend = try make(server)
            for _ in 0..<3 { #expect(await BackendFixture.deliver(backend, chunk) == .delivered) }
        }
        #expect(try await server.messages(of: "points").count == 1)
        // Another node, or a spool that began anew: the same tenant and the same place.
        let other = BackendFixture.chunk(BackendFixture.samples([1, 2, 4]))
        #expect(await BackendFixture.deliver(try make(server), other) == .delivered)
        // A half of it is no copy of the whole.
        var half = chunk
        half.runs[0].ordinals = 0..<1
        #expect(await BackendFixture.deliver(try make(server), half) == .delivered)
        #expect(try await server.messages(of: "points").count == 3)
    }

    @Test func `the same points for another subject of a stream are another message`() async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2, 3]))
        for subject in ["metrics.a", "metrics.b", "metrics.{tenant}", "metrics.a"] {
            #expect(await BackendFixture.deliver(try make(server, ["subject": subject]), chunk) == .delivered)
        }
        #expect(try await server.messages(of: "points").map(\.subject) == ["metrics.a", "metrics.b", "metrics.acme"])
    }

    @Test func `an id names tenant and places, and is the same for the same points alone`() throws {
        let backend = try BackendFixture.make(
            "nats_jetstream", BackendFixture.minimum(of: "nats_jetstream", url: "", folder: ""))
        let id = BackendFixture.encode(backend, BackendFixture.chunk(BackendFixture.samples([1, 2]))).messageID
        #expect(id.hasPrefix("acme.7_0-7_1."))
        #expect(id.utf8.count == "acme.7_0-7_1.".utf8.count + 32)
        let others = [
            BackendFixture.chunk(BackendFixture.samples([1, 3])),
            BackendFixture.chunk(BackendFixture.samples([1, 2]), sequence: 8),
            BackendFixture.chunk(BackendFixture.samples([1, 2]), tenant: "shop"),
        ]
        #expect(Set(others.map { BackendFixture.encode(backend, $0).messageID }).union([id]).count == 4)
    }

    // MARK: A server that is not there, or goes

    @Test func `without a server nothing arrived, and it is tried anew`() async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"])
        let backend = try make(server)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        server.kill()
        guard case .failure(let failure) = await attempt(backend, chunk) else {
            Issue.record("nobody was there to answer")
            return
        }
        #expect(!failure.mayHaveArrived)
        try server.start()
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        server.kill()
        try server.start()
        // The connection ended unseen or not: the next attempt has one.
        while case .retry = await BackendFixture.deliver(backend, chunk) {}
        #expect(try await server.messages(of: "points").count == 1)
    }

    @Test func `killed between message and acknowledgement it may have arrived, and the resend is no second message`()
        async throws
    {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"], config: ["no_ack": true])
        let backend = try make(server, ["timeout": "60s"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]))
        async let answer = attempt(backend, chunk)
        while try await server.messages(of: "points").isEmpty {}
        server.kill()
        guard case .failure(let failure) = await answer else {
            Issue.record("a stream that does not acknowledge did")
            return
        }
        #expect(failure.mayHaveArrived)
        #expect(failure.reason.hasPrefix("the connection ended"))
        try server.start()
        try await server.makeStream("points", subjects: ["metrics.>"], isNew: false)
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
        #expect(try await server.messages(of: "points").count == 1)
    }

    @Test func `without an acknowledgement the attempt ends in time and may have arrived`() async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"], config: ["no_ack": true])
        let answer = await attempt(
            try make(server, ["timeout": "300ms"]), BackendFixture.chunk(BackendFixture.samples([1])))
        #expect(
            answer
                == .failure(TransportFailure(mayHaveArrived: true, reason: "no answer within 0.3 seconds")))
    }

    @Test func `a cancelled attempt ends at once`() async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"], config: ["no_ack": true])
        let backend = try make(server, ["timeout": "1h"])
        let task = Task { await attempt(backend, BackendFixture.chunk(BackendFixture.samples([1]))) }
        while try await server.messages(of: "points").isEmpty {}
        task.cancel()
        #expect(await task.value == .failure(TransportFailure(mayHaveArrived: true, reason: "cancelled")))
    }

    @Test func `many attempts at once each have their own answer`() async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"])
        let backend = try make(server)
        let outcomes = await withTaskGroup(of: DeliveryOutcome.self) { group in
            for number in 0..<100 {
                group.addTask {
                    await BackendFixture.deliver(
                        backend, BackendFixture.chunk(BackendFixture.samples([Double(number)]), tenant: "t\(number)"))
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.allSatisfy { $0 == .delivered })
        #expect(Set(try await server.messages(of: "points").map(\.subject)).count == 100)
    }

    // MARK: Streams that do not take it

    @Test func `without a stream it waits for one`() async throws {
        let server = try NATSServer()
        let backend = try make(server)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        #expect(await BackendFixture.deliver(backend, chunk) == NATSAnswer.noResponders)
        try await server.makeStream("points", subjects: ["metrics.>"])
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
    }

    @Test func `a full stream that discards what is new is tried again until there is room`() async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"], config: ["max_msgs": 1, "discard": "new"])
        let backend = try make(server)
        let chunks = [1, 2].map { BackendFixture.chunk(BackendFixture.samples([$0])) }
        #expect(await BackendFixture.deliver(backend, chunks[0]) == .delivered)
        guard case .retry(_, let reason) = await BackendFixture.deliver(backend, chunks[1]) else {
            Issue.record("a full stream took it")
            return
        }
        #expect(reason.contains("10077") && reason.contains("maximum messages exceeded"))
        try await server.purge("points")
        #expect(await BackendFixture.deliver(backend, chunks[1]) == .delivered)
    }

    @Test func `too large for the server or the stream is split, and the connection stays`() async throws {
        let server = try NATSServer(config: "max_payload: 4096")
        try await server.makeStream("points", subjects: ["metrics.>"])
        try await server.makeStream("small", subjects: ["small.>"], config: ["max_msg_size": 1024])
        let backend = try make(server)
        let large = BackendFixture.chunk(BackendFixture.samples((0..<100).map { Double($0) }))
        guard case .tooLarge(.some(let limit)) = await BackendFixture.deliver(backend, large) else {
            Issue.record("more than max_payload was sent")
            return
        }
        #expect((3500..<4096).contains(limit))
        // To the byte: the largest that fits is taken.
        var count = 0
        while BackendFixture.encode(backend, points(count + 1)).body.count <= limit { count += 1 }
        #expect(await BackendFixture.deliver(backend, points(count)) == .delivered)
        #expect(
            await BackendFixture.deliver(try make(server, ["subject": "small.x"]), points(20))
                == .tooLarge(limitBytes: nil))
        #expect(!server.log.contains("Maximum Payload"))
    }

    private func points(_ count: Int) -> Chunk {
        BackendFixture.chunk(BackendFixture.samples((0..<count).map { Double($0) }))
    }

    @Test func `another stream than the expected one holds, and takes nothing`() async throws {
        let server = try NATSServer()
        try await server.makeStream("points", subjects: ["metrics.>"])
        let outcome = await BackendFixture.deliver(
            try make(server, ["stream": "others"]), BackendFixture.chunk(BackendFixture.samples([1])))
        guard case .hold(let reason) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(reason.contains("10060"))
        #expect(try await server.messages(of: "points").isEmpty)
    }

    @Test func `who answers without being a stream is not believed`() async throws {
        let server = try NATSServer()
        let other = try server.answerer(on: "metrics.acme", "+OK")
        let outcome = await BackendFixture.deliver(try make(server), BackendFixture.chunk(BackendFixture.samples([1])))
        #expect(outcome == .hold(reason: "no acknowledgement of a stream: +OK"))
        other.kill()
    }

    // MARK: Answers

    @Test(arguments: [
        (#"{"stream":"S","seq":1}"#, DeliveryOutcome.delivered),
        (#"{"stream":"S","seq":9,"duplicate":true,"domain":"hub"}"#, .delivered),
        (
            #"{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"S","seq":0}"#,
            .tooLarge(limitBytes: nil)
        ),
        (#"{"error":{"code":503,"err_code":10008,"description":"x"}}"#, .retry(after: nil, reason: "503 (10008): x")),
        (#"{"error":{"code":500,"err_code":10047,"description":"x"}}"#, .retry(after: nil, reason: "500 (10047): x")),
        (#"{"error":{"code":409,"err_code":10158,"description":"x"}}"#, .retry(after: nil, reason: "409 (10158): x")),
        (#"{"error":{"code":429,"err_code":10211,"description":"x"}}"#, .retry(after: nil, reason: "429 (10211): x")),
        (#"{"error":{"code":503,"err_code":10076,"description":"x"}}"#, .hold(reason: "503 (10076): x")),
        (#"{"error":{"code":400,"err_code":10109,"description":"x"}}"#, .hold(reason: "400 (10109): x")),
        (#"{"error":{"code":404,"err_code":10059,"description":"x"}}"#, .hold(reason: "404 (10059): x")),
        (#"{"error":{"code":400,"err_code":19999,"description":"x"}}"#, .hold(reason: "400 (19999): x")),
        (#"{"error":{"code":500,"err_code":19999,"description":"x"}}"#, .retry(after: nil, reason: "500 (19999): x")),
        (#"{"stream":"","seq":1}"#, .hold(reason: #"no acknowledgement of a stream: {"stream":"","seq":1}"#)),
        (#"{"stream":"S","seq":0}"#, .hold(reason: #"no acknowledgement of a stream: {"stream":"S","seq":0}"#)),
        ("", .hold(reason: "no acknowledgement of a stream: ")),
    ])
    func `an acknowledgement is one of a stream with a sequence, and each error has its meaning`(
        _ body: String, _ outcome: DeliveryOutcome
    ) {
        #expect(Array(body.utf8).withUnsafeBytes { NATSAnswer.outcome(of: $0) } == outcome)
    }

    @Test func `hostile acknowledgements deliver nothing`() {
        var random = SeededGenerator.fresh()
        for count in [1, 10, 1000, 100_000] {
            for byte in [UInt8(ascii: "["), UInt8(ascii: "{"), 0, 0xff] {
                let body = [UInt8](repeating: byte, count: count)
                #expect(body.withUnsafeBytes { NATSAnswer.outcome(of: $0) } != .delivered)
            }
            let body = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(body.withUnsafeBytes { NATSAnswer.outcome(of: $0) } != .delivered, "seed \(random.seed)")
        }
    }
}
