import Foundation
import Metrics
import TestSupport
import Testing

/// One node, one load, every backend that keeps all it is sent, and kills of the node: what each holds in the end.
///
/// The table it prints is that of docs/guarantees.md. Beside the load go points that are refused by plan, wherever a server can say so.
/// Pushgateways and pages keep newest values only, vendors refuse points as old as those of the load, and programs have their kills
/// in `OwnBackendsTests`: they have tests of their own.
@Suite(.serialized, .timeLimit(.minutes(5))) struct EveryBackendTests {
    /// A server at the other end: how it is named in a config, and what it holds.
    private struct End {
        var name: String
        var what: String
        /// YAML, without its key.
        var section: String
        /// Values that it holds, each as often as it does.
        var held: () async throws -> [Int]
        /// What a sender of ours never sends.
        var faults: () async throws -> [String] = { [] }
        /// A second copy of a point is one with the first.
        var mergesCopies: Bool
        /// The points that are to be refused are.
        var refuses = false
    }

    /// Points by this name, from this value on, are refused where a server can.
    private static let refusedName = "refused"
    private static let firstRefused = 100_000_000
    /// Before each kill.
    private static let refusedAtOnce = 3
    private static let kills = 5

    /// The answer to every seventh connection is lost.
    private static func proxied(_ port: Int) throws -> FaultProxy {
        try FaultProxy(to: port) { $0 % 7 == 3 ? .replyLost : .clean }
    }

    private static func values(ndjson bodies: [[UInt8]]) throws -> [Int] {
        try bodies.flatMap { body in
            try body.split(separator: UInt8(ascii: "\n")).compactMap { line in
                let record = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
                return (record?["value"] as? NSNumber)?.intValue
            }
        }
    }

    private static func ends(_ bench: Workbench, _ proxies: inout [FaultProxy], _ stops: inout [() -> Void])
        async throws -> [End]
    {
        let written = Recorder<[Int]>()
        let writer = try PointServer { values, _ in
            if values.contains(where: { $0 >= firstRefused }) { return .text(400, "a series is not wanted") }
            written.record(values)
            return .reply(204)
        }
        let own = try HTTPTestServer()
        let ownValues = Recorder<[Int]>()
        own.answer { request, _ in
            guard let plain = try? request.plainBody(.gzip, limit: 1 << 26), let values = try? values(ndjson: [plain])
            else { return .reply(500) }
            if values.contains(where: { $0 >= firstRefused }) { return .text(422, "a series is not wanted") }
            ownValues.record(values)
            return .reply(200)
        }
        let kafka = try KafkaCluster()
        kafka.makeTopic("metrics", partitions: 4)
        let influx2 = try TestSupport.InfluxServer(.v2)
        let influx3 = try TestSupport.InfluxServer(.v3)
        for influx in [influx2, influx3] { influx.define(refusedName, "value", .string) }
        let bulk = try BulkServer()
        // A field that is a number in the mapping, and a word in what is to be refused.
        let mapping =
            Data(#"{"create":{"_index":"metrics","_id":"1"}}"#.utf8) + Data("\n".utf8)
            + Data(#"{"@timestamp":"2026-09-21T00:00:00Z","labels":{"refused":1}}"#.utf8) + Data("\n".utf8)
        _ = try await Web.post("\(bulk.url)/_bulk", mapping, headers: ["Content-Type": "application/x-ndjson"])
        let splunk = try SplunkServer()
        splunk.change { $0.refuses = [refusedName: 6] }
        let indexing = try SplunkServer(Self.acknowledging)
        let receiver = try OTLPReceiver(bench)
        try await receiver.start()
        let nats = try NATSServer()
        try await nats.makeStream("load", subjects: ["metrics.>"])
        let mosquitto = try MosquittoServer(config: "allow_anonymous true\nmax_queued_messages 0")
        try await mosquitto.join("metrics/default", quality: 1)
        stops = [writer.stop, own.stop, influx2.stop, influx3.stop, bulk.stop, splunk.stop, indexing.stop]
        func proxy(_ url: String) throws -> String {
            guard let port = URL(string: url)?.port else { throw TestFailure("no port in \(url)") }
            proxies.append(try proxied(port))
            return proxies[proxies.count - 1].url
        }
        let token = try bench.write("influx.token", "t0k")
        let hec = try bench.write("splunk.token", "good")
        func influxValues(_ server: TestSupport.InfluxServer) -> [Int] {
            server.points.map { Int($0.time / 1_000_000) - LoadLedger.firstTime }
        }
        return [
            End(
                name: "writer", what: "prometheus_remote_write, a server that keeps every point",
                section: "type: prometheus_remote_write, url: \"\(try proxy("http://127.0.0.1:\(writer.port)"))\"",
                held: { written.elements.flatMap(\.self) }, faults: { writer.faults }, mergesCopies: false,
                refuses: true),
            End(
                name: "influx2", what: "influxdb, version 2, strict server",
                section:
                    "type: influxdb, version: 2, org: o, bucket: metrics, url: \"\(try proxy(influx2.url))\", token: \"file:\(token)\"",
                held: { influxValues(influx2) }, faults: { influx2.faults }, mergesCopies: true, refuses: true),
            End(
                name: "influx3", what: "influxdb, version 3, strict server",
                section:
                    "type: influxdb, version: 3, database: metrics, url: \"\(try proxy(influx3.url))\", token: \"file:\(token)\"",
                held: { influxValues(influx3) }, faults: { influx3.faults }, mergesCopies: true, refuses: true),
            End(
                name: "bulk", what: "elasticsearch, strict server",
                section: "type: elasticsearch, index: metrics, url: \"\(try proxy(bulk.url))\"",
                held: { bulk.documents(in: "metrics").compactMap { $0.source["value"]?.double.map { Int($0) } } },
                faults: { bulk.faults }, mergesCopies: true, refuses: true),
            End(
                name: "splunk", what: "splunk_hec, strict server",
                section: "type: splunk_hec, url: \"\(try proxy(splunk.url))\", token: \"file:\(hec)\"",
                held: { splunk.samples.map { Int($0.value) } },
                // Code 6, which is what it was told to say.
                faults: { splunk.faults.filter { $0 != "Error in handling indexed fields" } }, mergesCopies: false,
                refuses: true),
            End(
                name: "indexing", what: "splunk_hec with ack, strict server",
                // An acknowledgement is said once: where that answer is lost, the request is one without.
                section:
                    "type: splunk_hec, ack: true, ack_interval: 100ms, ack_timeout: 10s, url: \"\(try proxy(indexing.url))\", token: \"file:\(hec)\"",
                held: { indexing.samples.map { Int($0.value) } }, faults: { indexing.faults }, mergesCopies: false),
            End(
                name: "own", what: "http, a server of the test's own",
                section: "type: http, url: \"\(try proxy(own.url))/points\"",
                held: { ownValues.elements.flatMap(\.self) }, mergesCopies: false, refuses: true),
            End(
                name: "collector", what: "otlp_http, OpenTelemetry's own classes",
                section: "type: otlp_http, url: \"\(try proxy(receiver.url))/v1/metrics\"",
                held: { try await receiver.points().map { Int($0.value) } },
                faults: { try await receiver.violations() },
                mergesCopies: false),
            End(
                name: "stream", what: "nats_jetstream, nats-server",
                section:
                    "type: nats_jetstream, url: \"\(nats.url)\", subject: \"metrics.{tenant}\", stream: load, payload: json, compression: none",
                held: { try values(ndjson: try await nats.messages(of: "load").map(\.body)) }, mergesCopies: false),
            End(
                name: "topic", what: "mqtt, mosquitto",
                section:
                    "type: mqtt, url: \"\(mosquitto.url)\", client_id: node, topic: \"metrics/{tenant}\", payload: json, compression: none",
                held: { try values(ndjson: try await mosquitto.messages().map(\.body)) }, mergesCopies: false),
            End(
                name: "log", what: "kafka, librdkafka's mock cluster",
                section:
                    "type: kafka, brokers: \"\(kafka.bootstraps[0])\", topic: metrics, payload: json, compression: none",
                held: { try values(ndjson: try await kafka.messages(of: "metrics", partitions: 4).map(\.body)) },
                mergesCopies: false),
            End(
                name: "files", what: "archive, files", section: "type: archive",
                held: { [] }, mergesCopies: true),
        ]
    }

    private static var acknowledging: SplunkServer.Behaviour {
        var behaviour = SplunkServer.Behaviour()
        behaviour.tokens = ["good": SplunkServer.Token(usesAcknowledgement: true)]
        return behaviour
    }

    @Test func `what was acknowledged is at every backend, through kills of the node and lost answers`() async throws {
        var random = SeededGenerator.fresh()
        let bench = try Workbench("every-backend")
        var (proxies, stops): ([FaultProxy], [() -> Void]) = ([], [])
        let ends = try await EveryBackendTests.ends(bench, &proxies, &stops)
        defer {
            for proxy in proxies { proxy.stop() }
            for stop in stops { stop() }
        }
        let sections = ends.map { "  \($0.name): { \($0.section) }" }.joined(separator: "\n")
        let node = try HoldfastNode(bench, config: "backends:\n\(sections)\ntenants: { default: {} }")
        try await node.start()
        let ledger = LoadLedger()
        let url = node.url
        async let load: Void = ledger.run(clients: 3, url: url)
        var sums = DeliverySums()
        var refused: Set<Int> = []
        for _ in 0..<Self.kills {
            refused.formUnion(try await Self.sendRefused(refused.count, to: node))
            try await Task.sleep(for: .milliseconds(Int.random(in: 300...1200, using: &random)))
            try await sums.add(node)
            node.process.kill()
            try await node.start()
        }
        let beforeTheEnd = await ledger.acknowledged.count
        #expect(try await eventually(within: 30) { await ledger.acknowledged.count > beforeTheEnd + 10 })
        await ledger.stop()
        await load
        let status = try await node.drain(within: 120)
        try await sums.add(node)
        let acknowledged = await ledger.acknowledged
        print(
            "every backend: \(acknowledged.count * LoadLedger.pointsPerRequest) points acknowledged, 5 kills, seed \(random.seed)"
        )
        for end in ends {
            let backend = try status.backend(end.name)
            #expect(backend.balances && backend.lost == 0 && backend.excluded == 0, "\(backend)")
            #expect(backend.dead == (end.refuses ? refused.count : 0), "\(end.name): \(backend)")
            let all = end.name == "files" ? try Self.archived(node) : try await end.held()
            let held = all.filter { $0 < Self.firstRefused }
            #expect(Set(all).intersection(refused).count == (Self.takesRefused(end) ? refused.count : 0), "\(end.name)")
            let perRequest = LoadLedger.perRequest(Set(held))
            let missing = acknowledged.filter { perRequest[$0] != LoadLedger.pointsPerRequest }
            #expect(missing.isEmpty, "\(end.name) has not all of \(missing.count) requests, seed \(random.seed)")
            let faults = try await end.faults()
            #expect(faults.isEmpty, "\(end.name): \(faults.prefix(3))")
            let copies = held.count - Set(held).count
            if end.mergesCopies { #expect(copies == 0, "\(end.name)") }
            print(
                "every backend: \(end.what): held \(Set(held).count), refused \(backend.dead), "
                    + "sent again \(sums.retries(end.name)), second copies \(copies), "
                    + "missing \(missing.count * LoadLedger.pointsPerRequest), bytes \(sums.bytes(end.name))")
        }
        for (index, proxy) in proxies.enumerated() {
            #expect(proxy.injected["reset", default: 0] > 0, "no answer got lost at \(ends[index].name)")
        }
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
    }

    /// Of files only the load is read.
    private static func takesRefused(_ end: End) -> Bool { !end.refuses && end.name != "files" }

    /// - Returns: their values, all acknowledged.
    private static func sendRefused(_ before: Int, to node: HoldfastNode) async throws -> [Int] {
        let values = (0..<refusedAtOnce).map { firstRefused + before + $0 }
        let lines = values.map { value in
            #"{"name":"\#(refusedName)","labels":{"refused":"yes"},"value":\#(value),"timestamp_ms":\#(LoadLedger.firstTime + value)}"#
        }
        let answer = try await Web.post(
            "\(node.url)/api/v1/json", lines.joined(separator: "\n"), headers: ["Content-Type": "application/x-ndjson"])
        guard answer.status == 200 else { throw TestFailure("not taken: \(answer)") }
        return values
    }

    private static func archived(_ node: HoldfastNode) throws -> [Int] {
        Array(try LoadLedger.values(archive: "\(node.dataFolder)/archive-files").values)
    }
}

/// What a node counts of its deliveries, over its lives: up to the last look at each.
private struct DeliverySums {
    private var samples: [String: Double] = [:]

    mutating func add(_ node: HoldfastNode) async throws {
        let page = String(decoding: try await Web.get("\(node.url)/metrics").body, as: UTF8.self)
        for line in page.split(separator: "\n") where line.hasPrefix("holdfast_delivery_") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                continue
            }
            samples[String(line[..<space]), default: 0] += value
        }
    }

    private func sum(_ family: String, _ parts: String...) -> Int {
        let isIt = { (name: String) in name.hasPrefix("\(family){") && parts.allSatisfy { name.contains($0) } }
        return Int(samples.filter { isIt($0.key) }.values.reduce(0.0, +))
    }

    func retries(_ backend: String) -> Int {
        sum("holdfast_delivery_answers_total", "backend=\"\(backend)\"", "code=\"retry\"")
    }

    func bytes(_ backend: String) -> String {
        ["raw", "sent"].map {
            "\($0) \(sum("holdfast_delivery_bytes_total", "backend=\"\(backend)\"", "form=\"\($0)\""))"
        }.joined(separator: ", ")
    }
}
