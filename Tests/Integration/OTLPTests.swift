import Foundation
import TestSupport
import Testing

/// A node before an OTLP receiver of OpenTelemetry's own classes.
@Suite(.timeLimit(.minutes(2))) struct OTLPTests {
    @Test func `distributions and resources are what OpenTelemetry reads, and a part refused is assumed, once`()
        async throws
    {
        let bench = try Workbench("otlp")
        let receiver = try OTLPReceiver(bench)
        try await receiver.start()
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  collector: { type: otlp_http, url: "\(receiver.url)/v1/metrics" }
                tenants:
                  default: { backends: [collector] }
                """)
        try await node.start()
        try await send(OTLPTests.records, to: node)
        #expect(try await node.drain().backends.map(\.delivered) == [4])

        try await receiver.become(.broken)
        try await send([#"{"name":"later","value":1}"#, #"{"name":"later","value":2}"#], to: node)
        try await receiver.become(.partial)
        let status = try await node.drain()
        #expect(status.backends.map(\.assumed) == [2] && status.backends.allSatisfy(\.balances))

        #expect(try await receiver.violations() == [])
        let numbers = try await receiver.points()
        #expect(numbers.filter { $0.labels["__name__"] == "later" }.count == 1)
        let first = try #require(numbers.first { $0.labels["__name__"] == "queue" })
        #expect(first.labels == ["__name__": "queue", "job": "shop", "instance": "i-1", "lane": "fast"])
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    private static let records = [
        #"{"name":"queue","labels":{"lane":"fast"},"value":3,"resource":{"attributes":{"service.name":"shop","service.instance.id":"i-1"}}}"#,
        #"{"name":"up","labels":{"job":"node"},"value":1}"#,
        #"{"name":"size","histogram":{"count":6,"sum":9.5,"bounds":[1,2],"counts":[1,2,3]}}"#,
        #"{"name":"time","summary":{"count":2,"sum":3,"quantiles":[[0.5,1]]}}"#,
    ]

    private func send(_ records: [String], to node: HoldfastNode) async throws {
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", records.joined(separator: "\n") + "\n",
            headers: ["Content-Type": "application/x-ndjson"])
        #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
    }
}
