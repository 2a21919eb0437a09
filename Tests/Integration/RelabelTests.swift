import Foundation
import Metrics
import TestSupport
import Testing

/// `relabel` of a node beside `write_relabel_configs` of a real Prometheus: the same rules on the same series.
@Suite(.serialized, .timeLimit(.minutes(5))) struct RelabelTests {
    /// YAML lists, one a line of both configs.
    private static let rules = [
        "[{ target_label: same }]",
        "[{ action: keep, source_labels: [__name__], regex: 'node_.*|up' }]",
        "[{ action: drop, source_labels: [job, zone], separator: '/', regex: 'page/(eu|us)-.*' }]",
        "[{ source_labels: [instance], regex: '([^:]+):(\\d+)', target_label: host, replacement: '$1' }, "
            + "{ source_labels: [instance], regex: '.*:(?P<port>\\d+)', target_label: port, replacement: 'p${port}' }]",
        "[{ action: labelmap, regex: 'label_(.+)', replacement: 'mapped_$1' }, { action: labeldrop, regex: 'label_.+' }]",
        "[{ action: labelkeep, regex: '__name__|zone|le|quantile|instance' }]",
        "[{ action: hashmod, source_labels: [__name__, zone], modulus: 7, target_label: __tmp_shard }, "
            + "{ action: keep, source_labels: [__tmp_shard], regex: '[0-3]' }, "
            + "{ source_labels: [__tmp_shard], target_label: shard }, { action: labeldrop, regex: __tmp_shard }]",
        "[{ action: uppercase, source_labels: [zone], target_label: zone }, "
            + "{ action: lowercase, source_labels: [label_owner], target_label: owner }]",
        "[{ action: keepequal, source_labels: [label_owner], target_label: label_team }]",
        "[{ action: dropequal, source_labels: [label_owner], target_label: label_team }]",
        "[{ source_labels: [__name__], regex: 'node_(.*?)_(.*)', target_label: __name__, replacement: '${2}_of_${1}' }]",
        "[{ source_labels: [path], regex: '(/[^/]*)?(/.*)?', target_label: path, replacement: '$1' }]",
        "[{ source_labels: [zone], regex: '(a|ab)(c|bcd)*(d*)', target_label: parts, replacement: '$1-$2-$3' }]",
        "[{ source_labels: [zone], regex: '(eu|us)-(.*)', target_label: 'region_$1', replacement: '$2$$' }]",
        "[{ source_labels: [none], target_label: added, replacement: constant }, { source_labels: [none], target_label: zone }]",
        "[{ action: drop, source_labels: [__name__], regex: '.*' }]",
    ]

    /// A page with labels that rules can trip over.
    private static var page: String {
        var text = "# TYPE node_requests_total counter\n"
        for (number, zone) in ["eu-west", "us-east", "abcd", "ac", "é|x", "a\\\\b"].enumerated() {
            for owner in ["Ada", "ADA", "böb"] {
                text +=
                    "node_requests_total{zone=\"\(zone)\",label_owner=\"\(owner)\",label_team=\"ADA\",path=\"/a/\(number)\"} 1\n"
            }
        }
        text += "# TYPE queue_depth gauge\nqueue_depth 3\nqueue_depth{zone=\"eu-north\",path=\"\"} 4\n"
        text += "node_memory_free_bytes{path=\"/\"} 9\n"
        return text
    }

    /// Takes remote write and remembers which series came.
    private final class Sink: Sendable {
        private let server: HTTPTestServer
        var url: String { server.url }

        init() throws { server = try HTTPTestServer { _, _ in .reply(204) } }

        func stop() { server.stop() }

        func series() throws -> Set<String> {
            var found: Set<String> = []
            for request in server.requests {
                let batch = try PointServer.batch(in: request.body)
                for id in 0..<UInt32(batch.series.count) {
                    found.insert(
                        batch.series.withLabels(of: id) { bytes in
                            LabelIterator(bytes).map { "\($0.nameString)=\($0.valueString)" }.joined(separator: ",")
                        })
                }
            }
            return found
        }
    }

    @Test func `a node makes the series that a Prometheus makes of the same rules`() async throws {
        let bench = try Workbench("relabel")
        let page = RelabelTests.page
        let target = try HTTPTestServer { _, _ in
            .reply(200, headers: [("Content-Type", "text/plain; version=0.0.4")], body: Array(page.utf8))
        }
        let (theirs, ours) = (
            try RelabelTests.rules.map { _ in try Sink() }, try RelabelTests.rules.map { _ in try Sink() }
        )
        defer {
            for sink in theirs + ours { sink.stop() }
            target.stop()
        }
        let backends = zip(RelabelTests.rules, ours).enumerated().map { index, pair in
            "  b\(index): { type: prometheus_remote_write, url: \"\(pair.1.url)\", route: { relabel: \(pair.0) } }"
        }
        let node = try HoldfastNode(
            bench, config: "backends:\n\(backends.joined(separator: "\n"))\ntenants: { default: {} }")
        try await node.start()
        let writes = zip(RelabelTests.rules, theirs).map { rules, sink in
            "  - { url: \"\(sink.url)\", write_relabel_configs: \(rules) }"
        }
        let address = target.url.dropFirst("http://".count)
        let sender = try PrometheusServer(
            bench, name: "sender",
            config: """
                global: { scrape_interval: 1s }
                scrape_configs: [{ job_name: page, static_configs: [{ targets: ["\(address)"] }] }]
                remote_write:
                  - { url: "\(node.url)/api/v1/write" }
                \(writes.joined(separator: "\n"))
                """)
        try await sender.start()
        // Until both have had a few scrapes whole: the first rules let all of it through.
        #expect(
            try await eventually(within: 60) {
                let (their, our) = (try theirs[0].series(), try ours[0].series())
                return their.count > 25 && their == our
            }, "\(node.process.lastWords)")
        for (index, rules) in RelabelTests.rules.enumerated() {
            let isSame = try await eventually(within: 30) { try theirs[index].series() == ours[index].series() }
            let (their, our) = (try theirs[index].series(), try ours[index].series())
            #expect(
                isSame,
                "\(rules): only theirs \(their.subtracting(our).sorted()), only ours \(our.subtracting(their).sorted())"
            )
        }
        // What was kept back is accounted for, nothing else is missing.
        _ = sender.process.stop()
        let status = try await node.drain(within: 60)
        for index in RelabelTests.rules.indices {
            let backend = try status.backend("b\(index)")
            #expect(backend.balances && backend.dead == 0 && backend.lost == 0, "\(backend)")
        }
        #expect(try status.backend("b\(RelabelTests.rules.count - 1)").delivered == 0)
        #expect(try ours[RelabelTests.rules.count - 1].series().isEmpty)
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }
}
