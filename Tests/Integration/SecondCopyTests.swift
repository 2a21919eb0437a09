import Foundation
import Metrics
import TestSupport
import Testing

/// Requests that arrived and whose answers were lost go out a second time: what real servers make of it is what
/// docs/guarantees.md says.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SecondCopyTests {
    private static let series = 50
    private static let requests = 3
    private static let lostAnswers = 2

    /// The first answers of each request get lost, on new connections each time.
    private static func loses(_ connection: Int) -> FaultPlan { connection < lostAnswers ? .replyLost : .clean }

    @Test func `a second copy adds nothing at a Prometheus, an InfluxDB, and a VictoriaMetrics that looks for it`()
        async throws
    {
        let bench = try Workbench("second-copy")
        let prometheus = try PrometheusServer(
            bench, name: "receiver", config: "", arguments: ["--web.enable-remote-write-receiver"])
        let influx = try InfluxServer(bench)
        let looking = try VictoriaMetrics(bench, name: "looking", arguments: ["-dedup.minScrapeInterval=1ms"])
        let keeping = try VictoriaMetrics(bench, name: "keeping")
        for start in [prometheus.start, influx.start, looking.start, keeping.start] { try await start() }
        let names = ["prometheus", "influx", "looking", "keeping"]
        let proxies = try [prometheus.port, influx.port, looking.port, keeping.port].map {
            try FaultProxy(to: $0) { SecondCopyTests.loses($0) }
        }
        defer { for proxy in proxies { proxy.stop() } }
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  prometheus: { type: prometheus_remote_write, url: "\(proxies[0].url)/api/v1/write" }
                  influx: { type: influxdb, url: "\(proxies[1].url)", version: 1, database: metrics }
                  looking: { type: prometheus_remote_write, url: "\(proxies[2].url)/api/v1/write" }
                  keeping: { type: prometheus_remote_write, url: "\(proxies[3].url)/api/v1/write" }
                tenants:
                  default: { backends: [\(names.joined(separator: ", "))] }
                """)
        try await node.start()
        let now = Int(Date().timeIntervalSince1970)
        for request in 0..<SecondCopyTests.requests {
            let time = (now - SecondCopyTests.requests + request) * 1000
            let lines = (0..<SecondCopyTests.series).map { shop in
                #"{"name":"till","labels":{"shop":"s\#(shop)"},"value":\#(request),"timestamp_ms":\#(time)}"#
            }
            let answer = try await Web.post(
                "\(node.url)/api/v1/json", lines.joined(separator: "\n"),
                headers: ["Content-Type": "application/x-ndjson"])
            #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        }
        let status = try await node.drain(within: 60)
        let all = SecondCopyTests.series * SecondCopyTests.requests
        for (name, proxy) in zip(names, proxies) {
            #expect(proxy.injected["reset"] == SecondCopyTests.lostAnswers, "\(name): \(proxy.injected)")
            let backend = try status.backend(name)
            #expect(backend.balances && backend.dead == 0 && backend.lost == 0, "\(name): \(backend)")
            // What was refused as already there counts as assumed: the answer that said so does not name its points.
            #expect(backend.delivered + backend.assumed == all, "\(name): \(backend)")
        }
        #expect(try await prometheus.dump("till").samples == all)
        #expect(try await influx.dump().samples == all)
        // VictoriaMetrics shows what it took in after a moment.
        #expect(try await eventually(within: 30) { try await looking.count("till") >= all })
        #expect(try await looking.count("till") == all)
        #expect(
            try await eventually(within: 30) { try await keeping.count("till") > all },
            "without -dedup.minScrapeInterval it keeps both, and counts both")
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }
}
