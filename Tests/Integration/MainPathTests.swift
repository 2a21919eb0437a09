import Foundation
import TestSupport
import Testing

/// The whole promise on real parts: a real Prometheus scrapes a real exporter and writes in; five backends are stopped in
/// turn and Holdfast is killed under load; in the end every sample that Prometheus itself holds is in each of them.
///
/// `HOLDFAST_OUTAGE_SECONDS` makes the outages longer than a test run wants them.
@Suite(.serialized) struct MainPathTests {
    private static let outageSeconds =
        ProcessInfo.processInfo.environment["HOLDFAST_OUTAGE_SECONDS"].flatMap { Double($0) } ?? 4

    @Test func `every sample of a real Prometheus reaches every backend through outages and kills`() async throws {
        var random = SeededGenerator.fresh()
        let bench = try Workbench("main-path")
        let exporter = try NodeExporter(bench)
        let receiver = try PrometheusServer(
            bench, name: "receiver", config: "storage: { tsdb: { out_of_order_time_window: 30m } }\n",
            arguments: ["--web.enable-remote-write-receiver"])
        let victoria = try VictoriaMetrics(bench)
        let influx = try InfluxServer(bench)
        let bulk = try BulkServer()
        let collector = try OTLPReceiver(bench)
        let node = try HoldfastNode(bench, config: MainPathTests.config(receiver, victoria, influx, bulk, collector))
        let sender = try PrometheusServer(
            bench, name: "sender", config: MainPathTests.senderConfig(exporter, node, isScraping: true))

        for start in [
            receiver.start, victoria.start, influx.start, collector.start, node.start, sender.start,
        ] { try await start() }
        try await firstSamplesArrive(receiver, victoria, influx, bulk)

        // VictoriaMetrics says yes from memory: killed, it would lose what it acknowledged, so it is asked to stop.
        let stopped: [(stop: () async throws -> Void, start: () async throws -> Void)] = [
            ({ receiver.process.kill() }, receiver.start), ({ _ = victoria.process.stop() }, victoria.start),
            ({ influx.process.kill() }, influx.start), ({ bulk.stop() }, { try bulk.restart() }),
            ({ try await collector.become(.busy) }, { try await collector.become(.well) }),
        ]
        for backend in stopped {
            try await backend.stop()
            try await Task.sleep(
                for: .seconds(Double.random(in: 0.3...1, using: &random) * MainPathTests.outageSeconds))
            node.process.kill()
            try await node.start()
            try await Task.sleep(for: .seconds(MainPathTests.outageSeconds / 2))
            try await backend.start()
        }
        node.process.kill()
        try await node.start()

        try await stopSending(sender, exporter, node)
        let status = try await node.drain(within: 180)
        let truth = try await sender.dump(#"{job=~"node.*"}"#)
        print("main path: \(truth.series.count) series, \(truth.samples) samples, \(status), seed \(random.seed)")
        #expect(truth.samples > 5000, "Prometheus did not scrape enough")
        for backend in status.backends { #expect(backend.balances, "\(backend)") }
        // None of the five refuses a point it has, at least not for good: nothing may end as a dead letter either.
        for backend in status.backends { #expect(backend.lost == 0 && backend.dead == 0, "\(backend)") }

        let held: [(name: String, dump: SeriesDump, relative: Double)] = [
            ("prometheus", try await receiver.dump(#"{job=~"node.*"}"#), 0),
            ("victoria-metrics", try await victoria.dump(#"{job=~"node.*"}"#), 1e-9),
            ("influxdb", try await influx.dump(), 0), ("bulk", try bulk.seriesDump(), 0),
            ("otlp", try await collector.dump(), 0),
        ]
        for backend in held {
            let missing = truth.missing(from: backend.dump, relative: backend.relative)
            print("main path: \(backend.name) holds \(backend.dump.samples) samples, misses \(missing.count)")
            #expect(missing.count == 0, "\(backend.name): \(missing.examples), seed \(random.seed)")
        }
        #expect(try await collector.violations() == [])
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    // MARK: Parts

    private static func config(
        _ receiver: PrometheusServer, _ victoria: VictoriaMetrics, _ influx: InfluxServer, _ bulk: BulkServer,
        _ collector: OTLPReceiver
    ) -> String {
        """
        backends:
          prometheus: { type: prometheus_remote_write, url: "\(receiver.url)/api/v1/write" }
          victoria: { type: prometheus_remote_write, url: "\(victoria.url)/api/v1/write" }
          influx: { type: influxdb, version: 1, url: "\(influx.url)", database: metrics }
          search: { type: elasticsearch, url: "\(bulk.url)", index: metrics }
          collector: { type: otlp_http, url: "\(collector.url)/v1/metrics" }
        tenants:
          default: { backends: [prometheus, victoria, influx, search, collector] }
        """
    }

    private static func senderConfig(_ exporter: NodeExporter, _ node: HoldfastNode, isScraping: Bool) -> String {
        let jobs = (1...3).map {
            "  - job_name: node\($0)\n    static_configs: [{ targets: [\"127.0.0.1:\(exporter.port)\"] }]"
        }
        return """
            global: { scrape_interval: 1s, scrape_timeout: 1s }
            remote_write:
              - url: \(node.url)/api/v1/write
                send_exemplars: true
                queue_config: { min_backoff: 30ms, max_backoff: 500ms }
            \(isScraping ? "scrape_configs:\n" + jobs.joined(separator: "\n") : "")

            """
    }

    private func firstSamplesArrive(
        _ receiver: PrometheusServer, _ victoria: VictoriaMetrics, _ influx: InfluxServer, _ bulk: BulkServer
    ) async throws {
        let arrived = try await eventually(within: 60, every: 0.5) {
            guard !bulk.documents(in: "metrics").isEmpty else { return false }
            let dumps = [
                try await receiver.dump("node_load1"), try await victoria.dump("node_load1"), try await influx.dump(),
            ]
            return dumps.allSatisfy { $0.samples > 0 }
        }
        #expect(arrived, "no samples within a minute")
    }

    /// Takes the scrape jobs away, which leaves Prometheus running, and waits until its queue is empty.
    private func stopSending(_ sender: PrometheusServer, _ exporter: NodeExporter, _ node: HoldfastNode) async throws {
        try sender.reload(config: MainPathTests.senderConfig(exporter, node, isScraping: false))
        let isSent = try await eventually(within: 120, every: 0.5) {
            guard let pending = try await sender.ownMetric("prometheus_remote_storage_samples_pending"),
                let newest = try await sender.ownMetric("prometheus_remote_storage_highest_timestamp_in_seconds"),
                let sent = try await sender.ownMetric("prometheus_remote_storage_queue_highest_sent_timestamp_seconds")
            else { return false }
            // A pool that is gone says nothing any more.
            let targets = try await sender.ownMetric("prometheus_target_scrape_pool_targets") ?? 0
            return pending == 0 && sent >= newest && targets == 0
        }
        #expect(isSent, "Prometheus does not get rid of its queue: \(sender.process.lastWords)")
    }
}
