import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

/// Against a real mosquitto, read by Eclipse's own client, and against a broker that answers as it is told.
@Suite(.timeLimit(.minutes(10)))
struct MQTTTests {
    private func make(
        _ url: String, _ values: [String: String] = [:], _ sections: [String: [String: String]] = [:]
    ) throws -> any Backend {
        let minimum = [
            "url": url, "client_id": "node-1", "topic": "metrics/{tenant}", "payload": "json", "compression": "none",
        ]
        return try BackendFixture.make("mqtt", minimum.merging(values) { $1 }, sections)
    }

    private func attempt(_ backend: any Backend, _ chunk: Chunk) async -> Answer {
        let transport = HTTPTransport()
        defer { transport.close() }
        return await backend.send(BackendFixture.encode(backend, chunk), of: chunk, attempt: 1, over: transport)
    }

    private func chunk(_ values: [Double] = [1], tenant: String = "acme") -> Chunk {
        BackendFixture.chunk(BackendFixture.samples(values), tenant: tenant)
    }

    private func values(_ body: [UInt8]) throws -> [Double] {
        let batch = try WireDecoding.records(body).batch
        return (0..<batch.points.count).map { Double(bitPattern: batch.points.bits[$0]) }
    }

    // MARK: A real broker

    @Test(arguments: ["5.0", "3.1.1"], [1, 2])
    func `each point is read by who is subscribed, with what it takes to read it`(_ version: String, _ quality: Int)
        async throws
    {
        let server = try MosquittoServer()
        try await server.join("metrics/#", quality: 2)
        let backend = try make(
            server.url, ["protocol": version, "qos": "\(quality)", "compression": version == "5.0" ? "gzip" : "none"])
        for (tenant, first) in [("acme", 0.0), ("shop", 100)] {
            let points = chunk((0..<50).map { first + Double($0) }, tenant: tenant)
            #expect(await BackendFixture.deliver(backend, points) == .delivered)
        }
        let messages = try await server.messages()
        #expect(messages.map(\.topic) == ["metrics/acme", "metrics/shop"])
        for (message, first) in zip(messages, [0.0, 100]) {
            let plain = try BackendFixture.plain(message.body, version == "5.0" ? .gzip : .identity)
            #expect(try values(plain) == (0..<50).map { first + Double($0) })
            guard version == "5.0" else { continue }
            #expect(message.contentType == "application/x-ndjson")
            #expect(message.properties["Content-Encoding"] == "gzip")
            #expect(message.properties["Holdfast-Tenant"] == (first == 0 ? "acme" : "shop"))
            #expect(message.properties["Holdfast-Id"]?.hasPrefix(first == 0 ? "acme.7_0-" : "shop.7_0-") == true)
        }
    }

    @Test func `what nobody is subscribed to is not delivered, unless that is wanted`() async throws {
        let server = try MosquittoServer()
        guard case .retry(_, let reason) = await BackendFixture.deliver(try make(server.url), chunk()) else {
            Issue.record("nobody has it")
            return
        }
        #expect(reason.hasPrefix("0x10"))
        let other = try make(server.url, ["without_subscribers": "deliver", "client_id": "node-2"])
        #expect(await BackendFixture.deliver(other, chunk()) == .delivered)
    }

    @Test(arguments: [1, 2])
    func `a broker killed between message and acknowledgement loses nothing, and QoS 2 doubles nothing`(_ quality: Int)
        async throws
    {
        let server = try MosquittoServer()
        try await server.join("metrics/#", quality: 2)
        let backend = try make(server.url, ["qos": "\(quality)", "timeout": "60s"])
        #expect(await BackendFixture.deliver(backend, chunk([1])) == .delivered)
        try server.save()
        // It takes what is sent, and does not get to answer.
        server.signal(SIGSTOP)
        async let answer = attempt(backend, chunk([2]))
        try await server.hasUnread()
        server.kill()
        guard case .failure(let failure) = await answer else {
            Issue.record("a stopped broker answered")
            return
        }
        #expect(failure.mayHaveArrived)
        #expect(await attempt(backend, chunk([2])) != .said(.delivered))
        try server.start()
        while await attempt(backend, chunk([2])) != .said(.delivered) {
            try await Task.sleep(for: .milliseconds(50))
        }
        let read = try await server.messages().flatMap { try values($0.body) }
        #expect(Set(read) == [1, 2])
        if quality == 2 { #expect(read == [1, 2]) }
    }

    @Test func `without a thread nothing left, and it is tried anew`() async throws {
        let endpoint = try MQTTEndpoint(try BackendFixture.settings(["url": "mqtt://127.0.0.1:1", "client_id": "x"]))
        let client = MQTTClient(endpoint, quality: 1, needsSubscriber: false) { nil }
        let answer = await client.publish(
            MQTTMessage(id: "x", topic: "t", quality: 1, contentType: "", userProperties: [], body: []))
        #expect(answer == .failure(TransportFailure(mayHaveArrived: false, reason: "no thread can be started")))
    }

    @Test func `a broker is spoken to also where a thousand files are open`() async throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let held = (0..<1100).map { _ in open("/dev/null", O_RDONLY | O_CLOEXEC) }
        defer { for file in held { close(file) } }
        #expect(held.allSatisfy { $0 >= 0 })
        let server = try MosquittoServer()
        try await server.join("metrics/#", quality: 1)
        #expect(await BackendFixture.deliver(try make(server.url), chunk([1])) == .delivered)
    }

    @Test func `many attempts at once each have their own answer`() async throws {
        let server = try MosquittoServer()
        try await server.join("metrics/#", quality: 1)
        let backend = try make(server.url)
        let outcomes = await withTaskGroup(of: DeliveryOutcome.self) { group in
            for number in 0..<100 {
                group.addTask {
                    await BackendFixture.deliver(
                        backend, BackendFixture.chunk(BackendFixture.samples([Double(number)]), tenant: "t\(number)"))
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.allSatisfy { $0 == .delivered }, "\(outcomes.filter { $0 != .delivered })")
        #expect(Set(try await server.messages().map(\.topic)).count == 100)
    }

    // MARK: Sessions

    @Test func `an unacknowledged message is sent again with its packet id, and once for many attempts`() async throws {
        let broker = try PlannedBroker(
            #"{"connect":[{},{"present":true}],"publish":["drop",0]}"#)
        let backend = try make(broker.url)
        guard case .failure(let failure) = await attempt(backend, chunk()) else {
            Issue.record("nobody answered")
            return
        }
        #expect(failure.mayHaveArrived)
        while await attempt(backend, chunk()) != .said(.delivered) {}
        let sent = try await broker.packets("publish", atLeast: 2)
        #expect(sent.count == 2)
        #expect(sent.first?["number"] == sent.last?["number"])
        #expect(sent.map { $0["again"] } == ["0", "1"])
        #expect(try await broker.packets("connect").map { $0["clean"] } == ["0", "0"])
        #expect(try await broker.packets("violation").isEmpty)
    }

    @Test func `a broker that does not acknowledge over a living connection gets the message again over the next`()
        async throws
    {
        let broker = try PlannedBroker(#"{"connect":[{},{"present":true}],"publish":["keep",0]}"#)
        let backend = try make(broker.url, ["timeout": "200ms"])
        while await attempt(backend, chunk()) != .said(.delivered) {}
        let sent = try await broker.packets("publish", atLeast: 2)
        #expect(sent.map { $0["again"] } == ["0", "1"])
        #expect(sent.first?["number"] == sent.last?["number"])
        #expect(try await broker.packets("violation").isEmpty)
    }

    @Test func `a message that a broker hangs up over does not keep the others from it for ever`() async throws {
        let broker = try PlannedBroker(
            #"{"connect":[{},{"present":true},{"present":true},{}],"publish":["drop","drop","drop",0]}"#)
        let backend = try make(broker.url)
        for _ in 0..<3 {
            guard case .failure(let failure) = await attempt(backend, chunk([1])) else {
                Issue.record("nobody answered")
                return
            }
            #expect(failure.mayHaveArrived)
        }
        while await attempt(backend, chunk([2])) != .said(.delivered) {}
        let sent = try await broker.packets("publish", atLeast: 4)
        #expect(sent.map { $0["again"] } == ["0", "1", "1", "0"], "the last is the other one, and alone")
        #expect(try await broker.packets("violation").isEmpty)
    }

    @Test func `a session of a process that is no more is forgotten before anything is sent`() async throws {
        let broker = try PlannedBroker(#"{"connect":[{"present":true},{},{}]}"#)
        #expect(await BackendFixture.deliver(try make(broker.url), chunk()) == .delivered)
        #expect(try await broker.packets("connect", atLeast: 3).map { $0["clean"] } == ["0", "1", "0"])
        #expect(try await broker.packets("publish", atLeast: 1).count == 1)
    }

    @Test func `the end of a handshake that the broker does not remember is no delivery`() async throws {
        let broker = try PlannedBroker(#"{"connect":[{},{"present":false}],"publish":[0],"pubrel":"drop"}"#)
        let backend = try make(broker.url, ["qos": "2"])
        guard case .failure(let first) = await attempt(backend, chunk()) else {
            Issue.record("the handshake did not end")
            return
        }
        #expect(first.mayHaveArrived)
        // The library goes on with the handshake; the broker ends it, as it must, and knows nothing of the message.
        var answer = await attempt(backend, chunk())
        while case .failure = answer { answer = await attempt(backend, chunk()) }
        #expect(answer == .said(.delivered))
        #expect(try await broker.packets("publish", atLeast: 2).count == 2, "it was published anew")
    }

    // MARK: Answers

    @Test(arguments: [
        (0x10, "retry"), (0x80, "retry"), (0x83, "retry"), (0x87, "hold"), (0x90, "hold"), (0x91, "retry"),
        (0x95, "too_large"), (0x97, "retry"), (0x99, "refused"), (0xA2, "retry"),
    ])
    func `each reason code has its meaning, and the next message goes out`(_ code: Int, _ name: String) async throws {
        let broker = try PlannedBroker(#"{"publish":[\#(code),0]}"#)
        let backend = try make(broker.url)
        #expect(await BackendFixture.deliver(backend, chunk()).name == name)
        #expect(await BackendFixture.deliver(backend, chunk()) == .delivered)
        let numbers = try await broker.packets("publish", atLeast: 2).map { $0["number"] }
        #expect(Set(numbers).count == 2, "a refused message is done: another try is a new one")
    }

    @Test(arguments: [
        ("5.0", 0x86, "hold"), ("5.0", 0x87, "hold"), ("5.0", 0x88, "retry"), ("5.0", 0x89, "retry"),
        ("5.0", 0x97, "retry"), ("3.1.1", 3, "retry"), ("3.1.1", 4, "hold"), ("3.1.1", 5, "hold"),
    ])
    func `a refused connection passes or needs an operator`(_ version: String, _ code: Int, _ name: String) async throws
    {
        let broker = try PlannedBroker(#"{"connect":[{"code":\#(code)},{}]}"#)
        let backend = try make(broker.url, ["protocol": version])
        #expect(await BackendFixture.deliver(backend, chunk()).name == name)
        #expect(await BackendFixture.deliver(backend, chunk()) == .delivered)
    }

    @Test func `what the broker says that it takes is kept to`() async throws {
        let broker = try PlannedBroker(#"{"connect":[{"packet":2000,"receive":1,"qos":1}]}"#)
        let backend = try make(broker.url)
        let large = chunk((0..<100).map { Double($0) })
        guard case .tooLarge(.some(let limit)) = await BackendFixture.deliver(backend, large) else {
            Issue.record("a packet too large")
            return
        }
        #expect((1500..<2000).contains(limit))
        let outcomes = await withTaskGroup(of: DeliveryOutcome.self) { group in
            for number in 0..<20 {
                group.addTask { await BackendFixture.deliver(backend, chunk([Double(number)], tenant: "t\(number)")) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.allSatisfy { $0 == .delivered })
        #expect(try await broker.packets("violation").isEmpty)
        let other = try PlannedBroker(#"{"connect":[{"qos":1}]}"#)
        guard case .hold(let reason) = await BackendFixture.deliver(try make(other.url, ["qos": "2"]), chunk()) else {
            Issue.record("QoS 2 where 1 is all there is")
            return
        }
        #expect(reason.contains("QoS 1 at most"))
    }

    @Test func `without an answer the attempt ends in time and may have arrived, without a broker it has not`()
        async throws
    {
        let broker = try PlannedBroker(#"{"publish":["keep"]}"#)
        let answer = await attempt(try make(broker.url, ["timeout": "300ms"]), chunk())
        #expect(
            answer == .failure(TransportFailure(mayHaveArrived: true, reason: "no answer within 0.3 seconds")))
        guard case .failure(let failure) = await attempt(try make("mqtt://127.0.0.1:9"), chunk()) else {
            Issue.record("nobody is there")
            return
        }
        #expect(!failure.mayHaveArrived)
    }

    // MARK: Who may

    @Test func `a login is used, and a wrong one holds`() async throws {
        let folder = try TemporaryFolder()
        let file = "\(folder.path)/passwords"
        _ = try ChildProcess.run("/usr/bin/mosquitto_passwd", ["-b", "-c", file, "node", "s3cret"])
        let server = try MosquittoServer(config: "allow_anonymous false\npassword_file \(file)")
        func deliver(_ password: String) async throws -> DeliveryOutcome {
            let backend = try make(
                server.url, ["without_subscribers": "deliver"],
                ["basic_auth": ["username": "node", "password": "env:\(password)"]])
            #expect(!"\(backend)".contains(password))
            return await BackendFixture.deliver(backend, chunk())
        }
        #expect(try await deliver("s3cret") == .delivered)
        guard case .hold(let reason) = try await deliver("wr0ng") else {
            Issue.record("a wrong password was taken")
            return
        }
        #expect(reason.contains("not authorised") || reason.contains("bad user name"))
    }

    @Test func `a server is trusted by its authority and its name alone`() async throws {
        let fixture = try TLSFixture()
        let server = try MosquittoServer(
            config: """
                allow_anonymous true
                certfile \(fixture.path("server.pem"))
                keyfile \(fixture.path("server.key"))
                cafile \(fixture.authority)
                require_certificate true
                """)
        func deliver(_ authority: String, skips: Bool) async throws -> DeliveryOutcome {
            let backend = try make(
                "mqtts://127.0.0.1:\(server.port)", ["without_subscribers": "deliver"],
                [
                    "tls": [
                        "ca_file": authority, "cert_file": fixture.clientCertificate, "key_file": fixture.clientKey,
                        "insecure_skip_verify": "\(skips)",
                    ]
                ])
            return await BackendFixture.deliver(backend, chunk())
        }
        // Its certificate is for another name than 127.0.0.1.
        #expect(try await deliver(fixture.authority, skips: true) == .delivered)
        #expect(try await deliver(fixture.authority, skips: false) != .delivered)
        #expect(try await deliver(fixture.path("stranger.pem"), skips: false) != .delivered)
    }
}
