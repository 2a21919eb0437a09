import Metrics
import WALStore

/// InfluxDB's write endpoints, and who copies them: 1.x (`/write`), 2.x (`/api/v2/write`) and 3 (`/api/v3/write_lp`), by
/// `version`.
///
/// Own keys: `version: 1 | 2 | 3`; for 1 `database`, `retention_policy` and `basic_auth`; for 2 `org`, `bucket`, `token`; for
/// 3 `database` and `token`; `tokens` by tenant; `database`, `org` and `bucket` may hold `{tenant}`; `gzip`. The rest as in `HTTPEndpoint`.
/// <https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint>,
/// <https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite>,
/// <https://docs.influxdata.com/influxdb3/core/write-data/http-api/v3-write-lp/>
public struct InfluxDB: Backend {
    public static let type = "influxdb"
    public let traits: BackendTraits
    public var oldPoints: String { "It takes points of any age within the retention of its database or bucket." }

    enum Version: String, CaseIterable {
        case v1 = "1"
        case v2 = "2"
        case v3 = "3"

        var path: String {
            switch self {
            case .v1: "write?"
            case .v2: "api/v2/write?"
            case .v3: "api/v3/write_lp?"
            }
        }
        /// What follows the target. The precision is always said: version 3 guesses without it.
        var query: String {
            switch self {
            case .v1: "precision=n"
            case .v2: "precision=ns"
            // Lines that it can take are stored beside those that it cannot.
            case .v3: "precision=nanosecond&accept_partial=true"
            }
        }
        /// In front of a token.
        var scheme: String { self == .v3 ? "Bearer" : "Token" }
    }

    private let endpoint: HTTPEndpoint
    private let version: Version
    /// Query parameters that say where points go.
    private let target: [(name: String, value: TenantTemplate)]
    /// None in version 1.
    private let token: TenantSecret?
    private let isCompressed: Bool
    private let scratch = ScratchPool { Scratch() }

    private struct Scratch: Sendable {
        var record = LineProtocolEncoder.Record()
        var plain: [UInt8] = []
    }

    public init(name: String, settings: Settings) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: [])
        try endpoint.refuseQuery(settings, in: "the server's")
        version = try settings.choice("version", default: .v1)
        isCompressed = try settings.bool("gzip", default: true)
        switch version {
        case .v1:
            target = try Self.target(settings, required: ["database": "db"], optional: ["retention_policy": "rp"])
            token = nil
        case .v2:
            target = try Self.target(settings, required: ["bucket": "bucket"], optional: ["org": "org"])
            token = try TenantSecret(settings, "token", map: "tokens")
        case .v3:
            target = try Self.target(settings, required: ["database": "db"], optional: [:])
            token = try TenantSecret(settings, "token", map: "tokens")
        }
        if token?.isEmpty == false, endpoint.authentication != .none {
            throw SettingsError(
                "\(settings.path): token excludes basic_auth and bearer_token",
                line: settings.line(of: settings.has("token") ? "token" : "tokens"))
        }
        // A point written twice is one point, and order means nothing: two requests may be under way.
        traits = try BackendTraits(
            keepsOrder: false, maximumPoints: 5000, maximumBodyBytes: 3 << 20, concurrency: 2
        ).overridden(by: settings)
    }

    /// - Parameters: keys of the config, and the query parameter each becomes.
    private static func target(
        _ settings: Settings, required: KeyValuePairs<String, String>, optional: KeyValuePairs<String, String>
    ) throws(SettingsError) -> [(name: String, value: TenantTemplate)] {
        var all: [(name: String, value: TenantTemplate)] = []
        for (key, parameter) in required {
            _ = try settings.required(key)
            if let value = try TenantTemplate(settings, key) { all.append((parameter, value)) }
        }
        for (key, parameter) in optional {
            if let value = try TenantTemplate(settings, key), !value.text.isEmpty { all.append((parameter, value)) }
        }
        return all
    }

    // MARK: Out

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        // 1.x has no unsigned integers.
        let encoder = LineProtocolEncoder(writesUnsigned: version != .v1)
        scratch.withScratch { scratch in
            scratch.plain.removeAll(keepingCapacity: true)
            for run in chunk.runs {
                scratch.record.removeAll()
                encoder.append(
                    chunk.pieces[run.piece].batch, run.ordinals, into: &scratch.plain, record: &scratch.record)
                request.lines.append(scratch.record, piece: run.piece)
                for line in scratch.record.runs { request.points += line.ordinals.count }
                for point in scratch.record.unrepresentable {
                    request.exclude(piece: run.piece, ordinal: point.ordinal, reason: point.reason)
                }
            }
            guard request.points > 0 else { return }
            request.fill(scratch.plain, isCompressed: isCompressed)
        }
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        var headers = [(name: "Content-Type", value: "text/plain; charset=utf-8")]
        if isCompressed { headers.append((name: "Content-Encoding", value: "gzip")) }
        if let token, !token.isEmpty {
            guard let own = token(chunk.tenant) else {
                return .said(.hold(reason: "tenant \(chunk.tenant) has no entry in tokens, and there is no token"))
            }
            headers.append((name: "Authorization", value: "\(version.scheme) \(own.reveal)"))
        }
        return await transport.perform(
            endpoint.post(
                request.body, to: path(for: chunk.tenant), headers: headers,
                maximumResponseBytes: InfluxDBAnswer.maximumBytes))
    }

    private func path(for tenant: String) -> String {
        var path = endpoint.path(version.path)
        for (name, value) in target { path += "\(name)=\(PercentEncoding.encode(value(tenant)))&" }
        return path + version.query
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { response, now in
            InfluxDBAnswer.outcome(of: response, to: request, now: now) { plainBody(of: request) }
        }
    }

    /// The lines as they were before compression.
    private func plainBody(of request: EncodedRequest) -> [UInt8]? {
        guard isCompressed else { return request.body }
        var decompressor = Decompressor(.gzip, limit: request.rawBytes)
        var plain: [UInt8] = []
        do {
            try request.body.withUnsafeBytes { try decompressor.feed($0, into: &plain) }
            try decompressor.finish(into: &plain)
        } catch {
            preconditionFailure("what was compressed here is read here: \(error)")
        }
        return plain
    }
}
