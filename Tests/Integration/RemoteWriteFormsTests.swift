import Foundation
import Metrics
import TestSupport
import Testing

/// Forms of remote write that real receivers do not know: a Prometheus 2 takes a 2.0 request for an empty one of 1.0 and says
/// 204; an old VictoriaMetrics does too, and does not know zstd.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RemoteWriteFormsTests {
    @Test func `where a receiver takes 2_0 for nothing, everything arrives as 1_0, once, through a kill`() async throws
    {
        let bench = try Workbench("remote-write-forms")
        let prometheus = try PrometheusServer(
            bench, name: "receiver", config: "storage: { tsdb: { out_of_order_time_window: 30m } }\n",
            arguments: ["--web.enable-remote-write-receiver"])
        let victoria = try VictoriaMetrics(bench)
        let strict = try RemoteWriteReceiver()
        defer { strict.stop() }
        for start in [prometheus.start, victoria.start] { try await start() }
        // The premise: an empty success.
        let empty = try await Web.post(
            "\(prometheus.url)/api/v1/write", Data(RemoteWriteFormsTests.emptySecond),
            headers: [
                "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
                "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "2.0.0",
            ])
        #expect(empty.status == 204)

        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  prometheus: { type: prometheus_remote_write, url: "\(prometheus.url)/api/v1/write", protocol: auto }
                  victoria: { type: prometheus_remote_write, url: "\(victoria.url)/api/v1/write", protocol: auto }
                  zstd: { type: prometheus_remote_write, url: "\(victoria.url)/api/v1/write", preset: victoriametrics }
                  strict: { type: prometheus_remote_write, url: "\(strict.url)", protocol: "2.0" }
                tenants:
                  default: { backends: [prometheus, victoria, zstd, strict] }
                """)
        try await node.start()
        let first = Int64(Date().timeIntervalSince1970 * 1000) - 60_000
        var truth = SeriesDump()
        for round in 0..<3 {
            for scrape in 0..<10 {
                try await send(first + Int64(round * 10 + scrape) * 1000, to: node, &truth)
            }
            if round == 1 {
                node.process.kill()
                try await node.start()
            }
        }
        let status = try await node.drain()
        for backend in status.backends {
            #expect(backend.balances && backend.dead == 0 && backend.lost == 0, "\(backend)")
        }
        var held = SeriesDump()
        for (series, samples) in strict.held {
            let labels = series.split(separator: ",").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
            for sample in samples {
                held.add(
                    Dictionary(uniqueKeysWithValues: labels.map { ($0[0], $0[1]) }), sample.time,
                    Double(bitPattern: sample.bits))
            }
        }
        for (name, dump) in [
            ("prometheus", try await prometheus.dump(#"{job="forms"}"#)),
            ("victoria", try await victoria.dump(#"{job="forms"}"#)), ("strict", held),
        ] {
            #expect(truth.missing(from: dump).count == 0, "\(name): \(truth.missing(from: dump).examples)")
            #expect(dump.samples == truth.samples, "\(name)")
        }
        #expect(Set(strict.versions) == [2] && strict.violations == [] && strict.points == truth.samples)
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    @Test func `what a real Prometheus says of metrics apart from them reaches both forms, and goes by the rules`()
        async throws
    {
        let bench = try Workbench("metadata")
        let (first, second, part) = (
            try RemoteWriteReceiver(.firstOnly), try RemoteWriteReceiver(.secondOnly),
            try RemoteWriteReceiver(.firstOnly)
        )
        defer { for receiver in [first, second, part] { receiver.stop() } }
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  first: { type: prometheus_remote_write, url: "\(first.url)" }
                  second: { type: prometheus_remote_write, url: "\(second.url)", protocol: "2.0" }
                  part:
                    type: prometheus_remote_write
                    url: "\(part.url)"
                    route: { match: [prometheus_build_info] }
                tenants:
                  default: { backends: [first, second, part] }
                """)
        try await node.start()
        let port = try Workbench.freePort()
        let sender = try PrometheusServer(
            bench, name: "sender",
            config: """
                global: { scrape_interval: 1s, scrape_timeout: 1s }
                remote_write:
                  - url: \(node.url)/api/v1/write
                    metadata_config: { send: true, send_interval: 1s }
                scrape_configs: [{ job_name: self, static_configs: [{ targets: ["127.0.0.1:\(port)"] }] }]

                """, port: port)
        try await sender.start()
        let (counter, gauge) = ("prometheus_http_requests_total", "prometheus_build_info")
        let arrived = try await eventually(within: 60, every: 0.2) {
            first.said[counter] != nil && second.said[counter] != nil && second.said[gauge] != nil
                && part.said[gauge] != nil
        }
        #expect(arrived, "\(first.said.count), \(second.said.count), \(part.said.keys)")
        for said in [first.said[counter], second.said[counter]] {
            #expect(said?.kind == .counter && said?.help == "Counter of HTTP requests.")
        }
        #expect(Set(part.said.keys) == [gauge])
        #expect(sender.process.stop() == 0 && node.process.stop() == 0, "\(node.process.lastWords)")
        #expect(first.violations == [] && second.violations == [])
    }

    /// One empty symbol, as a snappy block.
    private static let emptySecond: [UInt8] = [2, 1 << 2, 0x22, 0]

    private func send(_ time: Int64, to node: HoldfastNode, _ truth: inout SeriesDump) async throws {
        var records = ""
        for series in 0..<20 {
            let value = Double(time % 1_000_000) + Double(series)
            records += #"{"name":"level","labels":{"job":"forms","number":"\#(series)"},"value":\#(value),"#
            records += #""timestamp_ms":\#(time)}"# + "\n"
            truth.add(["__name__": "level", "job": "forms", "number": "\(series)"], time, value)
        }
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", records, headers: ["Content-Type": "application/x-ndjson"])
        #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
    }
}
