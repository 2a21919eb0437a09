import Foundation
import Metrics
import TestSupport
import Testing

/// A backlog for remote write goes out by series, many requests at once. The receiver is a real Prometheus that refuses
/// whatever is out of order, so that each series out of its order would be dead letters.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SideBySideTests {
    private static let series = 400
    private static let scrapes = 100

    @Test func `a Prometheus that refuses what is out of order gets a backlog whole, also across kills`() async throws {
        var random = SeededGenerator.fresh()
        let bench = try Workbench("side-by-side")
        let receiver = try PrometheusServer(
            bench, name: "receiver", config: "global: {}\n", arguments: ["--web.enable-remote-write-receiver"])
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  prometheus:
                    type: prometheus_remote_write
                    url: "\(receiver.url)/api/v1/write"
                    max_points: 500
                    concurrency: 8
                tenants:
                  default: { backends: [prometheus] }
                """)
        try await node.start()
        let truth = try await send(to: node)
        try await receiver.start()
        var kills = 0
        while kills < 3 {
            let left = SideBySideTests.series * SideBySideTests.scrapes * (3 - kills) / 4
            let isUnderWay = try await eventually(within: 120, every: 0.01) {
                try node.status().backends.allSatisfy { $0.pending < left }
            }
            #expect(isUnderWay)
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...20, using: &random)))
            node.process.kill()
            try await node.start()
            kills += 1
        }
        let status = try await node.drain(within: 180)
        let held = try await receiver.dump(#"{__name__=~"side.*"}"#)
        let missing = truth.missing(from: held)
        print("side by side: \(truth.samples) samples, \(status), seed \(random.seed)")
        #expect(missing.count == 0, "\(missing.examples), seed \(random.seed)")
        for backend in status.backends {
            #expect(backend.balances && backend.dead == 0 && backend.lost == 0, "\(backend), seed \(random.seed)")
        }
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    /// Scrape by scrape, as a sender would.
    private func send(to node: HoldfastNode) async throws -> SeriesDump {
        var truth = SeriesDump()
        var encoder = RemoteWriteEncoder()
        let first = Int64(Date().timeIntervalSince1970) - Int64(SideBySideTests.scrapes * 10)
        for scrape in 0..<SideBySideTests.scrapes {
            var batch = Batch()
            for number in 0..<SideBySideTests.series {
                var builder = LabelBuilder()
                builder.add("__name__", "side_\(number % 7)_total")
                builder.add("number", "\(number)")
                try builder.finish()
                let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
                let (time, value) = (first + Int64(scrape * 10), Double(scrape * 1000 + number))
                batch.points.appendFloat64(series: id, time: time * 1_000_000_000, bits: value.bitPattern)
                truth.add(
                    ["__name__": "side_\(number % 7)_total", "number": "\(number)"], time * 1000, value)
            }
            var plain: [UInt8] = []
            encoder.append(batch, 0..<batch.points.count, into: &plain)
            var body: [UInt8] = []
            plain.withUnsafeBytes { Snappy.compress($0, into: &body) }
            let answer = try await Web.post(
                "\(node.url)/api/v1/write", Data(body),
                headers: ["Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"])
            #expect(answer.status == 204)
        }
        return truth
    }
}
