import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

#if canImport(Glibc)
    import Glibc
#endif

/// Who may connect, publish and listen, and what becomes of a connection that may not.
extension NATSJetStreamTests {
    private static let accounts = """
        authorization { users: [
            { user: all, password: s3cret },
            { user: some, password: s3cret, permissions: { publish: { deny: "metrics.acme" } } } ] }
        """

    @Test func `a login is used, a wrong one holds, and so does a subject it may not publish to`() async throws {
        let server = try NATSServer(config: Self.accounts)
        try await server.makeStream("points", subjects: ["metrics.>"], login: "all:s3cret@")
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        func deliver(_ user: String, _ password: String, tenant: String = "acme") async throws -> DeliveryOutcome {
            let backend = try make(
                server, ["timeout": "60s"], ["basic_auth": ["username": user, "password": "env:\(password)"]])
            #expect(!"\(backend)".contains(password))
            return await BackendFixture.deliver(backend, BackendFixture.chunk(chunk.pieces[0].batch, tenant: tenant))
        }
        #expect(try await deliver("all", "s3cret") == .delivered)
        #expect(try await deliver("some", "s3cret", tenant: "shop") == .delivered)
        guard case .hold(let refused) = try await deliver("all", "wr0ng"),
            case .hold(let denied) = try await deliver("some", "s3cret")
        else {
            Issue.record("it went on")
            return
        }
        #expect(refused.contains("credentials refused") && !refused.contains("wr0ng"))
        #expect(denied.contains("metrics.acme"))
        guard case .hold = await BackendFixture.deliver(try make(server), chunk) else {
            Issue.record("nobody in particular was let in")
            return
        }
    }

    @Test func `an inbox that may not be subscribed to holds before anything is stored, and another prefix is taken`()
        async throws
    {
        let server = try NATSServer(
            config: """
                authorization { users: [
                    { user: all, password: s3cret },
                    { user: some, password: s3cret, permissions: { publish: ">", subscribe: "_HOLDFAST.>" } } ] }
                """)
        try await server.makeStream("points", subjects: ["metrics.>"], login: "all:s3cret@")
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        let login = ["basic_auth": ["username": "some", "password": "env:s3cret"]]
        #expect(
            await BackendFixture.deliver(try make(server, ["timeout": "60s"], login), chunk)
                == .hold(reason: "not permitted to subscribe to _INBOX.>: no acknowledgement could come"))
        #expect(try await server.messages(of: "points", login: "all:s3cret@").isEmpty)
        let backend = try make(server, ["inbox_prefix": "_HOLDFAST"], login)
        #expect(await BackendFixture.deliver(backend, chunk) == .delivered)
    }

    @Test func `what is not permitted holds its own subject alone, and no other is named`() async {
        let pending = PendingAnswers()
        let replies = NATSReplies(pending)
        func answer(to words: String) async -> Answer {
            await pending.answer(within: .milliseconds(50)) { attempt in
                #expect(pending.leaves(attempt, over: 7, to: "metrics.acme"))
                replies.refused(over: 7, words)
            }
        }
        let violation = "Permissions Violation for Publish to \"metrics.acme\""
        #expect(await answer(to: violation) == .said(.hold(reason: "not permitted to publish to metrics.acme")))
        for other in [
            "Permissions Violation for Publish to \"metrics.shop\"",
            "Permissions Violation for Publish to \"metrics.acme", "\"metrics.acme\"", "",
        ] {
            guard case .failure(let failure) = await answer(to: other) else {
                Issue.record("held for \(other)")
                continue
            }
            #expect(failure.mayHaveArrived && !failure.reason.contains("metrics"))
        }
        #expect(!replies.isOver)
        guard case .said(.hold) = await answer(to: "Permissions Violation for Subscription to \"_INBOX.x.*\"") else {
            Issue.record("it went on without an inbox")
            return
        }
        #expect(replies.isOver)
    }

    @Test(arguments: ["a\"b", "a\\b", "\",\"user\":\"admin", "a\tb"])
    func `what libnats would write as it is into its greeting is refused`(_ text: String) throws {
        let minimum = ["url": "nats://h", "subject": "metrics"]
        #expect(throws: SettingsError.self) {
            try BackendFixture.make("nats_jetstream", minimum.merging(["token": "env:\(text)"]) { $1 })
        }
        for login in [["username": text, "password": "env:x"], ["username": "x", "password": "env:\(text)"]] {
            #expect(throws: SettingsError.self) {
                try BackendFixture.make("nats_jetstream", minimum, ["basic_auth": login])
            }
        }
    }

    @Test func `handshakes that stall end in time, are bounded in number, and are over when the peer goes`()
        async throws
    {
        let server = try StalledServer()
        let backend = try BackendFixture.make(
            "nats_jetstream",
            ["url": "nats://127.0.0.1:\(server.port)", "subject": "m", "timeout": "60s", "connect_timeout": "100ms"],
            ["tls": ["insecure_skip_verify": "true"]])
        func reason() async -> String {
            guard
                case .failure(let failure) = await attempt(
                    backend, BackendFixture.chunk(BackendFixture.samples([1])))
            else { return "an answer" }
            #expect(!failure.mayHaveArrived)
            return failure.reason
        }
        for _ in 0..<2 { #expect(await reason().hasPrefix("connect: no connection within 0.2")) }
        #expect(await reason() == "connect: 2 connections hang in their TLS handshake")
        server.hangUp()
        while await reason().contains("hang") { await Task.yield() }
    }

    @Test func `without a thread nothing left, and it is tried anew`() async throws {
        let settings = try BackendFixture.settings(["url": "nats://127.0.0.1:1"])
        let client = NATSClient(try NATSEndpoint(settings)) { nil }
        let answer = await client.publish(NATSMessage(subject: "m", headers: [], body: []))
        #expect(
            answer
                == .failure(TransportFailure(mayHaveArrived: false, reason: "connect: no thread can be started")))
    }

    @Test func `a server is trusted by its authority and its name alone`() async throws {
        let fixture = try TLSFixture()
        let server = try NATSServer(
            config: """
                tls { cert_file: "\(fixture.path("server.pem"))", key_file: "\(fixture.path("server.key"))",
                      ca_file: "\(fixture.authority)", verify: true }
                """)
        let ours = [
            "ca_file": fixture.authority, "cert_file": fixture.clientCertificate, "key_file": fixture.clientKey,
            "server_name": TLSFixture.serverName,
        ]
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        func deliver(_ changed: [String: String], without key: String? = nil) async throws -> DeliveryOutcome {
            var tls = ours.merging(changed) { $1 }
            if let key { tls[key] = nil }
            return await BackendFixture.deliver(try make(server, [:], ["tls": tls]), chunk)
        }
        // There is no stream: that it says so means that it was spoken to.
        #expect(try await deliver([:]) == NATSAnswer.noResponders)
        for (changed, missing) in [
            (["ca_file": fixture.path("stranger.pem")], nil), (["server_name": "other.example"], nil),
            ([:], "server_name"), ([:], "ca_file"),
        ] as [([String: String], String?)] {
            let outcome = try await deliver(changed, without: missing)
            guard case .retry(_, let reason) = outcome, outcome != NATSAnswer.noResponders else {
                Issue.record("\(changed) \(missing ?? ""): \(outcome)")
                continue
            }
            #expect(reason.contains("connect") || reason.contains("tls"), "\(reason)")
        }
    }
}
