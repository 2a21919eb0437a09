import Foundation
import Metrics

/// The real servers a test talks to: how each is started, and how its data is read back.

final class NodeExporter {
    let port: Int
    let process: ServerProcess

    init(_ bench: Workbench) throws {
        port = try Workbench.freePort()
        process = bench.program(
            "/usr/bin/prometheus-node-exporter", ["--web.listen-address=127.0.0.1:\(port)"], name: "node-exporter")
        try process.start()
    }
}

/// Prometheus, as sender, receiver or both.
final class PrometheusServer {
    let port: Int
    let process: ServerProcess
    private let config: String

    /// - Parameters:
    ///   - config: its `prometheus.yml`.
    ///   - port: one that nobody has, where the config names it.
    init(_ bench: Workbench, name: String, config text: String, arguments: [String] = [], port: Int? = nil) throws {
        self.port = try port ?? Workbench.freePort()
        config = try bench.write("\(name).yml", text)
        process = bench.program(
            "/usr/bin/prometheus",
            [
                "--config.file=\(config)", "--storage.tsdb.path=\(bench.path("\(name)-data"))",
                "--web.listen-address=127.0.0.1:\(self.port)", "--log.level=warn",
            ] + arguments, name: name)
    }

    var url: String { "http://127.0.0.1:\(port)" }

    func start() async throws {
        try process.start()
        guard try await eventually(within: 30, { await Web.isUp("\(url)/-/ready") }) else {
            throw TestFailure("prometheus does not get ready: \(process.lastWords)")
        }
    }

    func reload(config text: String) throws {
        try text.write(toFile: config, atomically: true, encoding: .utf8)
        process.signal(SIGHUP)
    }

    /// Every sample of the last hour that `selector` finds; stale markers end a range and are not in it.
    func dump(_ selector: String) async throws -> SeriesDump {
        let answer = try await Web.json("\(url)/api/v1/query?query=\(Web.escape("\(selector)[1h]"))")
        guard let data = answer["data"] as? [String: Any], let result = data["result"] as? [[String: Any]] else {
            throw TestFailure("prometheus: an unexpected answer")
        }
        var dump = SeriesDump()
        for entry in result {
            guard let metric = entry["metric"] as? [String: String], let values = entry["values"] as? [[Any]] else {
                continue
            }
            for pair in values {
                guard let time = pair[0] as? Double, let text = pair[1] as? String, let value = Double(text) else {
                    continue
                }
                dump.add(metric, Int64((time * 1000).rounded()), value)
            }
        }
        return dump
    }

    /// One of its own metrics, summed over its series.
    func ownMetric(_ name: String) async throws -> Double? {
        let answer = try await Web.get("\(url)/metrics")
        var sum: Double?
        for line in String(decoding: answer.body, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("\(name){") || line.hasPrefix("\(name) ") {
            if let value = line.split(separator: " ").last.flatMap({ Double($0) }) { sum = (sum ?? 0) + value }
        }
        return sum
    }
}

final class VictoriaMetrics {
    let port: Int
    let process: ServerProcess

    init(_ bench: Workbench, name: String = "victoria-metrics", arguments: [String] = []) throws {
        port = try Workbench.freePort()
        process = bench.program(
            "/usr/bin/victoria-metrics",
            [
                "-storageDataPath=\(bench.path("\(name)-data"))", "-httpListenAddr=127.0.0.1:\(port)",
                "-loggerLevel=WARN",
                "-retentionPeriod=10y",
            ] + arguments, name: name)
    }

    var url: String { "http://127.0.0.1:\(port)" }

    func start() async throws {
        try process.start()
        guard try await eventually(within: 30, { await Web.isUp("\(url)/health") }) else {
            throw TestFailure("victoria-metrics does not get ready: \(process.lastWords)")
        }
    }

    func dump(_ selector: String) async throws -> SeriesDump {
        _ = try await Web.get("\(url)/internal/force_flush")
        let answer = try await Web.get("\(url)/api/v1/export?match%5B%5D=\(Web.escape(selector))")
        var dump = SeriesDump()
        for line in answer.body.split(separator: UInt8(ascii: "\n")) {
            guard let row = try JSONSerialization.jsonObject(with: line) as? [String: Any],
                let metric = row["metric"] as? [String: String], let values = row["values"] as? [Any],
                let times = row["timestamps"] as? [NSNumber]
            else { throw TestFailure("victoria-metrics: an unexpected line") }
            for (value, time) in zip(values, times) {
                // null is its NaN.
                dump.add(metric, time.int64Value, (value as? NSNumber)?.doubleValue ?? .nan)
            }
        }
        return dump
    }

    /// Samples of the last hour, as a query counts them.
    func count(_ selector: String) async throws -> Int {
        _ = try await Web.get("\(url)/internal/force_flush")
        let query = Web.escape("sum(count_over_time(\(selector)[1h]))")
        let answer = try await Web.json("\(url)/api/v1/query?query=\(query)&nocache=1")
        guard let data = answer["data"] as? [String: Any], let result = data["result"] as? [[String: Any]] else {
            throw TestFailure("victoria-metrics: an unexpected answer")
        }
        let value = (result.first?["value"] as? [Any])?.last as? String
        return value.flatMap { Int($0) } ?? 0
    }
}

final class InfluxServer {
    let port: Int
    let process: ServerProcess
    private let backupPort: Int

    init(_ bench: Workbench) throws {
        port = try Workbench.freePort()
        backupPort = try Workbench.freePort()
        let data = bench.path("influxdb")
        let config = try bench.write(
            "influxdb.conf",
            """
            reporting-disabled = true
            bind-address = "127.0.0.1:\(backupPort)"
            [meta]
              dir = "\(data)/meta"
            [data]
              dir = "\(data)/data"
              wal-dir = "\(data)/wal"
              query-log-enabled = false
            [http]
              bind-address = "127.0.0.1:\(port)"
              log-enabled = false
            [monitor]
              store-enabled = false
            """)
        process = bench.program("/usr/bin/influxd", ["run", "-config", config], name: "influxdb")
    }

    var url: String { "http://127.0.0.1:\(port)" }

    func start() async throws {
        try process.start()
        guard try await eventually(within: 30, { await Web.isUp("\(url)/ping") }) else {
            throw TestFailure("influxdb does not get ready: \(process.lastWords)")
        }
        _ = try await Web.post("\(url)/query?q=\(Web.escape("CREATE DATABASE metrics"))", "")
    }

    /// Every `value` field, with measurement as name and tags as labels.
    func dump() async throws -> SeriesDump {
        let query = Web.escape("SELECT value FROM /.*/ GROUP BY *")
        let answer = try await Web.get("\(url)/query?db=metrics&epoch=ms&q=\(query)")
        // Read by our own reader: Foundation's rounds some numbers to a neighbour.
        let results = try JSONValue.parse([UInt8](answer.body), values: 50_000_000)["results"]?.array ?? []
        var dump = SeriesDump()
        for series in results.flatMap({ $0["series"]?.array ?? [] }) {
            guard let name = series["name"]?.string, let rows = series["values"]?.array else { continue }
            var labels = ["__name__": name]
            // A tag that a series of the measurement does not have comes back empty.
            for tag in series["tags"]?.object ?? [] {
                if let value = tag.value.string, !value.isEmpty { labels[tag.key] = value }
            }
            for row in rows {
                guard let cells = row.array, let time = cells[0].int, let value = cells[1].double else { continue }
                dump.add(labels, time, value)
            }
        }
        return dump
    }
}
