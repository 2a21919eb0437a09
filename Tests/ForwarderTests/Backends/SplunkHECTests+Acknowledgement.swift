import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// What an indexer acknowledges, and what it does not.
extension SplunkHECTests {
    @Test func `with ack nothing is delivered before it is indexed`() async throws {
        var behaviour = Self.acknowledging
        behaviour.polls = 5
        let server = try SplunkServer(behaviour)
        let backend = try make(server, ["ack": "true"])
        #expect(
            await BackendFixture.deliver(backend, BackendFixture.chunk(BackendFixture.samples([1, 2]))) == .delivered)
        #expect(server.samples.count == 2)
        // The token is asked once, the request six times.
        #expect(server.requests.filter { $0.path.hasSuffix("/ack") }.count == 7)
        server.stop()
    }

    @Test func `what is never acknowledged may have arrived, and goes out again on another channel`() async throws {
        var behaviour = Self.acknowledging
        behaviour.losesSilently = true
        let server = try SplunkServer(behaviour)
        let backend = try make(server, ["ack": "true", "ack_timeout": "10s"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1, 2]))
        let transport = HTTPTransport()
        let request = BackendFixture.encode(backend, chunk)
        guard case .failure(let failure) = await backend.send(request, of: chunk, attempt: 1, over: transport) else {
            Issue.record("nothing was indexed")
            return
        }
        #expect(failure.mayHaveArrived)
        #expect(failure.reason.contains("no acknowledgement"))
        server.change { $0.losesSilently = false }
        #expect(
            backend.outcome(of: await backend.send(request, of: chunk, attempt: 2, over: transport), to: request)
                == .delivered)
        #expect(server.samples.count == 2)
        #expect(server.channels.count == 2)
        transport.close()
        server.stop()
    }

    @Test func `an indexer that restarts acknowledges no request of before with the number of another`() async throws {
        var behaviour = Self.acknowledging
        behaviour.polls = .max
        let server = try SplunkServer(behaviour)
        let backend = try make(server, ["ack": "true", "ack_timeout": "10s"])
        let transport = HTTPTransport()
        let (first, second) = (
            BackendFixture.chunk(BackendFixture.samples([1])), BackendFixture.chunk(BackendFixture.samples([2]))
        )
        async let lost = backend.send(
            BackendFixture.encode(backend, first), of: first, attempt: 1, over: transport)
        while server.requests.filter({ $0.path.hasSuffix("/ack") }).count < 3 { await Task.yield() }
        server.forget()
        server.change { $0.polls = 0 }
        // It gets the number that the first one waits for.
        let kept = await backend.send(BackendFixture.encode(backend, second), of: second, attempt: 1, over: transport)
        #expect(backend.outcome(of: kept, to: BackendFixture.encode(backend, second)) == .delivered)
        guard case .failure(let failure) = await lost else {
            Issue.record("its events are gone")
            return
        }
        #expect(failure.mayHaveArrived)
        #expect(server.samples.map(\.value) == [2])
        transport.close()
        server.stop()
    }

    @Test func `a token without acknowledgement holds before anything is indexed`() async throws {
        let server = try SplunkServer()
        let backend = try make(server, ["ack": "true"])
        for _ in 0..<3 {
            let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
            guard case .hold(let reason) = await BackendFixture.deliver(backend, chunk) else {
                Issue.record("ack: true cannot be kept")
                continue
            }
            #expect(reason.contains("ACK is disabled"))
        }
        #expect(server.samples.isEmpty)
        server.stop()
    }

    @Test func `a token with acknowledgement and a config without holds, as it has no channel`() async throws {
        let server = try SplunkServer(Self.acknowledging)
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        guard case .hold(let reason) = await BackendFixture.deliver(try make(server), chunk) else {
            Issue.record("no channel")
            return
        }
        #expect(reason.contains("Data channel is missing"))
        server.stop()
    }

    @Test func `a channel is used again, by one request at a time, and not after a restart`() async throws {
        let server = try SplunkServer(Self.acknowledging)
        let backend = try make(server, ["ack": "true"])
        let chunk = BackendFixture.chunk(BackendFixture.samples([1]))
        for _ in 0..<3 { #expect(await BackendFixture.deliver(backend, chunk) == .delivered) }
        #expect(server.channels.count == 1)
        #expect(await BackendFixture.deliver(try make(server, ["ack": "true"]), chunk) == .delivered)
        #expect(server.channels.count == 2)
        server.stop()
    }
}
