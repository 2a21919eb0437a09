import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// What compression saves on the wire with nothing set, of what a node exporter tells in five scrapes.
struct CompressionTests {
    /// Bodies that are compressed unless the config says otherwise.
    static let types = [
        "prometheus_remote_write", BackendFixture.secondRemoteWrite, "otlp_http", BackendFixture.otlpJSON,
        "influxdb", "elasticsearch", "datadog", "newrelic", "splunk_hec", "http", "prometheus_pushgateway",
        "nats_jetstream", "mqtt",
    ]
    /// The others: Kafka's messages, which its own library compresses (`KafkaTests`), pushes to panels, files, a program's lines,
    /// a page, which is packed for who takes it.
    static let plainTypes = ["grafana_live", "kafka", "archive", "exec", "prometheus_exposition"]

    /// Counters that rise by what is measured, and gauges that go up and down, 15 s apart.
    private static func scrapes(_ random: inout SeededGenerator) -> Batch {
        var batch = Batch()
        let modes = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"]
        let devices = ["eth0", "lo", "sda", "sdb", "nvme0n1", "tmpfs"]
        var series: [(id: UInt32, isCounter: Bool, value: Double)] = []
        func add(_ name: String, _ labels: [(String, String)], isCounter: Bool) {
            let known = [("instance", "harbour-7.example:9100"), ("job", "node")]
            let id = BackendFixture.series(name, known + labels, in: &batch)
            series.append((id, isCounter, Double(Int.random(in: 0...1_000_000_000, using: &random))))
        }
        for cpu in 0..<16 {
            for mode in modes {
                add("node_cpu_seconds_total", [("cpu", "\(cpu)"), ("mode", mode)], isCounter: true)
            }
        }
        for device in devices {
            for name in ["receive_bytes", "transmit_bytes", "receive_packets", "transmit_packets"] {
                add("node_network_\(name)_total", [("device", device)], isCounter: true)
            }
            for name in ["avail", "free", "size"] {
                add(
                    "node_filesystem_\(name)_bytes", [("device", device), ("mountpoint", "/\(device)")],
                    isCounter: false)
            }
        }
        for name in ["MemFree", "MemAvailable", "Buffers", "Cached", "Active", "Inactive", "Dirty", "Mapped"] {
            add("node_memory_\(name)_bytes", [], isCounter: false)
        }
        for scrape in 0..<5 {
            let time = (BackendFixture.now - 75 + Int64(scrape) * 15) * 1_000_000_000
            for index in series.indices {
                let change = Double(Int.random(in: 0...100_000, using: &random))
                series[index].value += series[index].isCounter ? change : change - 50_000
                batch.points.appendFloat64(series: series[index].id, time: time, bits: series[index].value.bitPattern)
            }
        }
        return batch
    }

    @Test(arguments: types)
    func `compression saves at least four fifths`(_ type: String) throws {
        let request = try Self.request(type)
        // 2.0 says each label once before anything is compressed: it is held against what 1.0 has to say.
        let raw =
            try type == BackendFixture.secondRemoteWrite
            ? Self.request("prometheus_remote_write").rawBytes : request.rawBytes
        #expect(request.points > 0)
        let saved = 1 - Double(request.body.count) / Double(raw)
        print("compression: \(type) \(request.points) points, \(raw) bytes raw, \(request.body.count) sent")
        #expect(saved >= 0.8, "\(type): \(request.body.count) of \(raw) bytes")
    }

    private static func request(_ type: String) throws -> EncodedRequest {
        var random = SeededGenerator(seed: 7)
        let backend = try BackendFixture.make(
            type, BackendFixture.minimum(of: type, url: "http://127.0.0.1:9", folder: ""),
            environment: BackendFixture.environment())
        var chunk = BackendFixture.chunk(scrapes(&random))
        // As after the first scrape.
        let keys = backend.counterKeys(of: chunk)
        chunk.counters = CounterBook(
            Dictionary(keys.map { ($0, CounterState(value: 0, time: 1)) }, uniquingKeysWith: { first, _ in first }))
        return BackendFixture.encode(backend, chunk)
    }
}
