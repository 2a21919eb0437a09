import Foundation

/// An OTLP receiver of OpenTelemetry's own classes (`otlp_receiver.py`), which keeps what it took in memory.
final class OTLPReceiver {
    let port: Int
    let process: ServerProcess

    enum Mood: String {
        case well, busy, broken, partial
    }

    init(_ bench: Workbench) throws {
        port = try Workbench.freePort()
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        process = bench.program(
            root.appendingPathComponent(".build/python/bin/python3").path,
            [here.appendingPathComponent("otlp_receiver.py").path, "\(port)"], name: "otlp-receiver")
    }

    var url: String { "http://127.0.0.1:\(port)" }

    func start() async throws {
        try process.start()
        guard try await eventually(within: 30, { await Web.isUp("\(url)/violations") }) else {
            throw TestFailure("the OTLP receiver does not get ready: \(process.lastWords)")
        }
    }

    func become(_ mood: Mood) async throws { _ = try await Web.post("\(url)/mood/\(mood.rawValue)", "") }

    /// What was refused for not being OTLP.
    func violations() async throws -> [String] {
        String(decoding: try await Web.get("\(url)/violations").body, as: UTF8.self).split(separator: "\n").map(
            String.init)
    }

    /// Every number that it took, sent twice or not.
    func points() async throws -> [(labels: [String: String], time: Int64, value: Double)] {
        try await Web.get("\(url)/points").body.split(separator: UInt8(ascii: "\n")).map { line in
            guard let point = try JSONSerialization.jsonObject(with: line) as? [String: Any],
                let labels = point["labels"] as? [String: String], let time = point["time"] as? NSNumber,
                let value = (point["value"] as? String).flatMap(Double.init)
            else { throw TestFailure("the OTLP receiver: an unexpected line") }
            return (labels, time.int64Value, value)
        }
    }

    func dump() async throws -> SeriesDump {
        var dump = SeriesDump()
        for point in try await points() { dump.add(point.labels, point.time, point.value) }
        return dump
    }
}
