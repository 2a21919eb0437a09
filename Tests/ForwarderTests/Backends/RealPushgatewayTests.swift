import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// Against Debian's `prometheus-pushgateway`.
@Suite(.timeLimit(.minutes(5)))
struct RealPushgatewayTests {
    private final class Gateway {
        let url: String
        let process: ChildProcess
        let transport = HTTPTransport()

        init() async throws {
            // A port that nobody listens on: where a server was that has stopped.
            let former = try HTTPTestServer()
            former.stop()
            url = former.url
            // Debian's keeps what it was pushed in a file of the machine's, unless it is told not to.
            process = try ChildProcess(
                "/usr/bin/prometheus-pushgateway",
                ["--web.listen-address=127.0.0.1:\(former.port)", "--persistence.file="])
            for _ in 0..<500 {
                if case .response = await transport.perform(HTTPRequest(.get, url + "/-/ready")) { return }
                try await Task.sleep(for: .milliseconds(20))
            }
            Issue.record("the gateway does not start")
        }

        /// What it shows of the groups of ours, without what it shows of itself.
        func shown() async throws -> [String] {
            guard case .response(let response) = await transport.perform(HTTPRequest(.get, url + "/metrics")) else {
                return []
            }
            return String(decoding: response.body, as: UTF8.self).split(separator: "\n").map { String($0) }.filter {
                $0.contains("tenant=") && !$0.hasPrefix("push_")
            }
        }

        deinit { process.kill() }
    }

    @Test func `it shows the newest value of each series, of each tenant, whole families`() async throws {
        let gateway = try await Gateway()
        let backend = try BackendFixture.make("prometheus_pushgateway", ["url": gateway.url, "newest_within": "0"])
        let first = BackendFixture.chunk(BackendFixture.samples([1, .nan, .infinity]))
        #expect(await BackendFixture.deliver(backend, first) == .delivered)
        #expect(await BackendFixture.deliver(backend, first) == .delivered)
        let later = BackendFixture.samples([4], from: 1_790_000_001_000_000_000)
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(later)) == .delivered)
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(later, tenant: "other")) == .delivered)
        let group = #"instance="",job="holdfast","#
        #expect(
            try await gateway.shown() == [
                #"up{\#(group)number="0",tenant="acme"} 4"#, #"up{\#(group)number="0",tenant="other"} 4"#,
                #"up{\#(group)number="1",tenant="acme"} NaN"#, #"up{\#(group)number="2",tenant="acme"} +Inf"#,
            ])
    }

    @Test func `it takes whatever the backend makes of random points`() async throws {
        let gateway = try await Gateway()
        var random = SeededGenerator.fresh()
        let backend = try BackendFixture.make("prometheus_pushgateway", ["url": gateway.url, "newest_within": "0"])
        for sequence in 1...8 {
            let batch = RandomBatch.make(points: 200, series: 25, using: &random)
            let chunk = BackendFixture.chunk(batch, sequence: Int64(sequence), runs: 3)
            guard BackendFixture.encode(backend, chunk).points > 0 else { continue }
            let outcome = await BackendFixture.deliver(backend, chunk)
            #expect(outcome == .delivered, "seed \(random.seed)")
        }
    }

    @Test func `a family that another pusher has with another type is refused, and the others are taken`() async throws
    {
        let gateway = try await Gateway()
        let theirs = HTTPRequest(
            .post, gateway.url + "/metrics/job/theirs", body: Array("# TYPE up counter\nup 1\n".utf8))
        _ = await gateway.transport.perform(theirs)
        let backend = try BackendFixture.make("prometheus_pushgateway", ["url": gateway.url, "newest_within": "0"])
        guard
            case .refused(let reason, false) = await BackendFixture.deliver(
                backend, BackendFixture.chunk(BackendFixture.samples([1]))
            )
        else {
            Issue.record("it was taken")
            return
        }
        #expect(reason.status == 400 && reason.excerpt.contains("inconsistent"))
        let mine = BackendFixture.samples([1], name: "down")
        #expect(await BackendFixture.deliver(backend, BackendFixture.chunk(mine)) == .delivered)
    }
}
