import Forwarder
import Metrics
import TestSupport
import WALStore

/// Backends from settings in short form, and chunks from batches.
enum BackendFixture {
    /// `prometheus_remote_write` in version 2.0.
    static let secondRemoteWrite = "prometheus_remote_write 2.0"
    /// `otlp_http` in JSON.
    static let otlpJSON = "otlp_http json"

    /// What each type needs at least.
    ///
    /// - Throws: for a type that nobody has written down here: a guess would hide what it needs.
    static func minimum(of type: String, url: String, folder: String) throws -> [String: String] {
        switch type {
        case "influxdb": ["url": url, "database": "metrics"]
        case "elasticsearch": ["url": url, "index": "metrics-{tenant}"]
        case "datadog", "newrelic": ["url": url, "api_key": "env:key"]
        case "archive": ["path": folder + "/{tenant}"]
        case "prometheus_pushgateway", "grafana_live": ["url": url, "newest_within": "0"]
        case "prometheus_exposition": [:]
        case "exec": ["command": "/bin/false"]
        case "kafka": ["brokers": "127.0.0.1:9", "topic": "metrics"]
        case "mqtt": ["url": "mqtt://127.0.0.1:9", "client_id": "node-1", "topic": "metrics/{tenant}"]
        case "nats_jetstream": ["url": "nats://127.0.0.1:9", "subject": "metrics.{tenant}"]
        case secondRemoteWrite: ["url": url, "protocol": "2.0"]
        case otlpJSON: ["url": url, "encoding": "json"]
        case "prometheus_remote_write", "otlp_http", "splunk_hec", "http": ["url": url]
        default: throw UnknownType(type: type)
        }
    }

    struct UnknownType: Error, CustomStringConvertible {
        var type: String
        var description: String { "BackendFixture.minimum does not say what \(type) needs" }
    }

    /// Whether it speaks HTTP, and has the keys and the answers of all that do.
    static func isHTTP(_ type: String) -> Bool {
        !["archive", "exec", "prometheus_exposition", "nats_jetstream", "mqtt", "kafka"].contains(type)
    }

    /// Its success is a body that says so, not a status alone.
    static func answersInWords(_ type: String) -> Bool { ["elasticsearch", "splunk_hec"].contains(type) }

    /// Seconds since the epoch, soon after the points of `samples` and `RandomBatch`.
    static let now: Int64 = 1_790_000_100

    /// A node whose clock says what a test wants.
    static func environment(
        now: @escaping @Sendable () -> Int64 = { BackendFixture.now * 1_000_000_000 }
    ) -> BackendEnvironment {
        var environment = BackendEnvironment()
        environment.time = TimeSource(wall: now, boot: TimeSource.system.boot, bootID: TimeSource.system.bootID)
        return environment
    }

    static func make(
        _ type: String, _ values: [String: String], _ sections: [String: [String: String]] = [:],
        environment: BackendEnvironment = BackendEnvironment()
    ) throws -> any Backend {
        let type = String(type.prefix { $0 != " " })
        return try makeBackend(
            type: type, name: "b", settings: settings(values, sections), environment: environment)
    }

    static func settings(
        _ values: [String: String], _ sections: [String: [String: String]] = [:]
    ) throws -> Settings {
        func map(_ values: [String: String]) -> [(key: String, line: Int, value: SettingsNode)] {
            values.sorted { $0.key < $1.key }.map { ($0.key, 3, SettingsNode(.scalar($0.value), line: 3)) }
        }
        let nested = sections.map { (key: $0.key, line: 4, value: SettingsNode(.map(map($0.value)), line: 4)) }
        let node = SettingsNode(.map(map(values) + nested), line: 2)
        return try Settings(node, path: "backends.b") { reference in String(reference.dropFirst(4)) }
    }

    /// All points of `batch` as one chunk, cut into `runs` runs.
    static func chunk(_ batch: Batch, tenant: String = "acme", sequence: Int64 = 7, runs: Int = 1) -> Chunk {
        let count = batch.points.count
        let piece = LeasedPiece(
            places: PlaceRange(sequence: sequence, ordinals: 0..<count), batch: batch, ordinals: 0..<count,
            maybeSent: false)
        let cuts = (0...runs).map { count * $0 / runs }
        return Chunk(
            tenant: tenant, pieces: [piece],
            runs: zip(cuts, cuts.dropFirst()).map { LeasedRun(piece: 0, ordinals: $0..<$1) })
    }

    static func samples(_ values: [Double], name: String = "up", from time: Int64 = 1_790_000_000_000_000_000) -> Batch
    {
        var batch = Batch()
        for (index, value) in values.enumerated() {
            let id = series(name, [("number", "\(index)")], in: &batch)
            batch.points.appendFloat64(series: id, time: time, bits: value.bitPattern)
        }
        return batch
    }

    static func series(_ name: String, _ labels: [(String, String)], in batch: inout Batch) -> UInt32 {
        var builder = LabelBuilder()
        builder.add("__name__", name)
        for (label, value) in labels { builder.add(label, value) }
        do { try builder.finish() } catch { preconditionFailure("these labels are valid: \(error)") }
        return builder.canonical.withUnsafeBytes { batch.series.intern($0) }
    }

    static func encode(_ backend: any Backend, _ chunk: Chunk) -> EncodedRequest {
        var request = EncodedRequest()
        backend.encode(chunk, into: &request)
        return request
    }

    /// Encodes, sends, and reads the answer.
    static func deliver(_ backend: any Backend, _ chunk: Chunk, attempt: Int = 1) async -> DeliveryOutcome {
        let transport = HTTPTransport()
        defer { transport.close() }
        let request = encode(backend, chunk)
        let answer = await backend.send(request, of: chunk, attempt: attempt, over: transport)
        return backend.outcome(of: answer, to: request)
    }

    static func plain(_ body: [UInt8], _ coding: ContentCoding) throws -> [UInt8] {
        var decompressor = Decompressor(coding, limit: 64 << 20)
        var plain: [UInt8] = []
        try body.withUnsafeBytes { try decompressor.feed($0, into: &plain) }
        try decompressor.finish(into: &plain)
        return plain
    }

    static func answer(_ status: Int, _ body: String = "", headers: [String: String] = [:]) -> Answer {
        .response(HTTPResponse(status: status, headers: headers, body: Array(body.utf8)))
    }
}
