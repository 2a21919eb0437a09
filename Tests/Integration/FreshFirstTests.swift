import Foundation
import TestSupport
import Testing

/// Catching up after an outage, with what is fresh ahead: a VictoriaMetrics that takes any order, and a Prometheus that takes
/// old points within its window.
@Suite(.serialized, .timeLimit(.minutes(5))) struct FreshFirstTests {
    private static let series = 500
    private static let ticks = 60

    @Test func `after an outage a new point is there while the old ones still wait, and in the end each is there once`()
        async throws
    {
        let bench = try Workbench("fresh-first")
        let metrics = try VictoriaMetrics(bench)
        let prometheus = try PrometheusServer(
            bench, name: "receiver", config: "storage: { tsdb: { out_of_order_time_window: 1h } }\n",
            arguments: ["--web.enable-remote-write-receiver"])
        // Links on which the backlog takes half a minute, until they are mended: about a hundred requests a second.
        let slow = FaultPlan(request: [FaultPlan.Stage(0, .slow(bytes: 600, everyMilliseconds: 10))])
        let links = try [metrics.url, prometheus.url].map { url in
            guard let port = URL(string: url)?.port else { throw TestFailure("no port in \(url)") }
            return try FaultProxy(to: port) { _ in slow }
        }
        defer { for link in links { link.stop() } }
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  metrics:
                    type: prometheus_remote_write
                    url: "\(links[0].url)/api/v1/write"
                    order: fresh_first
                    fresh_within: 3s
                    out_of_order_window: unlimited
                    max_points: 10
                    concurrency: 1
                  prometheus:
                    type: prometheus_remote_write
                    url: "\(links[1].url)/api/v1/write"
                    order: fresh_first
                    fresh_within: 3s
                    out_of_order_window: 1h
                    max_points: 10
                    concurrency: 1
                tenants:
                  default: { backends: [metrics, prometheus] }
                """)
        try await node.start()
        let began = Int64(Date().timeIntervalSince1970)
        var truth = SeriesDump()
        for tick in 0..<FreshFirstTests.ticks {
            try await send(
                "old_total", FreshFirstTests.series, Double(tick),
                at: (began - Int64(FreshFirstTests.ticks - tick) * 10) * 1000, to: node, &truth)
        }
        // Twice as long as what is fresh.
        let hasWaited = try await eventually(within: 60) {
            try node.status().backends.allSatisfy { $0.oldestPendingSeconds > 7 }
        }
        #expect(hasWaited)

        try await metrics.start()
        try await prometheus.start()
        var new = 0
        var overtaken: Set<String> = []
        let areThere = try await eventually(within: 60, every: 0.1) {
            new += 1
            let now = Int64(Date().timeIntervalSince1970 * 1000)
            try await send("new_total", 1, Double(new), at: now, to: node, &truth)
            if try await metrics.dump("new_total").samples > 0, try node.status().backend("metrics").backlog > 1000 {
                overtaken.insert("metrics")
            }
            if try await prometheus.dump("new_total").samples > 0,
                try node.status().backend("prometheus").backlog > 1000
            {
                overtaken.insert("prometheus")
            }
            return overtaken.count == 2
        }
        #expect(areThere, "\(overtaken)")

        // What lane a point is in outlives the process.
        for link in links { link.behave { _ in .clean } }
        node.process.kill()
        try await node.start()
        let status = try await node.drain(within: 200)
        for backend in status.backends {
            #expect(backend.balances && backend.dead == 0 && backend.lost == 0, "\(backend)")
            #expect(backend.delivered + backend.assumed == truth.samples, "\(backend)")
        }
        for held in [try await dump(metrics), try await prometheus.dump(#"{__name__=~"(old|new)_total"}"#)] {
            let missing = truth.missing(from: held)
            #expect(missing.count == 0, "\(missing.examples)")
            #expect(held.samples == truth.samples)
        }
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    /// What it took in a moment ago it shows in a moment.
    private func dump(_ metrics: VictoriaMetrics) async throws -> SeriesDump {
        var dump = SeriesDump()
        var samples = -1
        _ = try await eventually(within: 10, every: 1) {
            dump = try await metrics.dump(#"{__name__=~"(old|new)_total"}"#)
            defer { samples = dump.samples }
            return dump.samples == samples
        }
        return dump
    }

    private func send(
        _ name: String, _ series: Int, _ value: Double, at time: Int64, to node: HoldfastNode, _ truth: inout SeriesDump
    ) async throws {
        let lines = (0..<series).map { number in
            truth.add(["__name__": name, "number": "\(number)"], time, value)
            return #"{"name":"\#(name)","labels":{"number":"\#(number)"},"value":\#(value),"timestamp_ms":\#(time)}"#
        }
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", lines.joined(separator: "\n"), headers: ["Content-Type": "application/x-ndjson"])
        #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
    }
}
