import Metrics
import WALStore

/// Grafana Live: shows points to whoever has a panel open at this moment, and keeps none.
///
/// Own keys: `stream` (may hold `{tenant}`), `newest_within`, `frame_format`, `stable_schema`; the rest as in `HTTPEndpoint`. `url`
/// is Grafana's address. A metric is the channel `stream/<stream>/<name>`.
/// <https://grafana.com/docs/grafana/latest/setup-grafana/set-up-grafana-live/>, docs/grafana.md.
public struct GrafanaLive: Backend {
    public static let type = "grafana_live"
    public let traits: BackendTraits
    public var oldPoints: String { "It has no past: what is older than newest_within is not pushed." }

    /// Why a point is not pushed.
    enum Exclusion: String {
        case past = "older than newest_within"
        case name = "its name is no part of a channel of Grafana Live"
    }

    enum FrameFormat: String, CaseIterable {
        case labelsColumn = "labels_column"
        case wide
    }

    /// What a channel may take in all. <https://grafana.com/docs/grafana/latest/setup-grafana/set-up-grafana-live/#grafana-live-channel>
    static let maximumChannelBytes = 160

    private let endpoint: HTTPEndpoint
    private let stream: TenantTemplate
    private let query: String
    /// `oldest` nil: whatever its age.
    private let age: PointAge
    private let time: TimeSource
    private let scratch = ScratchPool { LineProtocolEncoder.Record() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        try self.init(name: name, settings: settings, environment: BackendEnvironment())
    }

    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try GrafanaLive(name: name, settings: settings, environment: environment)
    }

    private init(name: String, settings: Settings, environment: BackendEnvironment) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: [])
        try endpoint.refuseQuery(settings, in: "Grafana's")
        stream = try TenantTemplate(settings, "stream") ?? TenantTemplate(TenantTemplate.placeholder)
        // Of a tenant that is as long as one may be, too, a name has room.
        let longest = stream(String(repeating: "x", count: TenantID.maximumLength))
        guard !stream.text.isEmpty, longest.utf8.allSatisfy(Self.isPlain), longest.utf8.count <= 100 else {
            throw SettingsError(
                "\(settings.name(of: "stream")) is letters, digits, '-', '_' and {tenant}, up to 100 with a tenant of "
                    + "\(TenantID.maximumLength)", line: settings.line(of: "stream"))
        }
        let format = try settings.choice("frame_format", default: FrameFormat.labelsColumn)
        let isStable = try settings.bool("stable_schema", default: false)
        query = "?gf_live_frame_format=\(format.rawValue)" + (isStable ? "&gf_live_stable_schema=1" : "")
        let newestWithin = try settings.duration("newest_within") ?? .seconds(30)
        age = PointAge(oldest: newestWithin == .zero ? nil : newestWithin)
        time = environment.time
        // A panel shows points as they come.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 5000, maximumBodyBytes: 1 << 20
        ).overridden(by: settings)
    }

    // MARK: Out

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        let now = time.wall()
        let room = Self.maximumChannelBytes - "stream/".utf8.count - stream(chunk.tenant).utf8.count - 1
        scratch.withScratch { record in
            for run in chunk.runs {
                let batch = chunk.pieces[run.piece].batch
                var start = run.ordinals.lowerBound
                for ordinal in run.ordinals {
                    guard let reason = exclusion(batch, ordinal, now: now, room: room) else { continue }
                    push(batch, run.piece, start..<ordinal, &record, &request)
                    request.exclude(piece: run.piece, ordinal: ordinal, reason: reason.rawValue)
                    start = ordinal + 1
                }
                push(batch, run.piece, start..<run.ordinals.upperBound, &record, &request)
            }
        }
        request.rawBytes = request.body.count
    }

    private func push(
        _ batch: Batch, _ piece: Int, _ ordinals: Range<Int>, _ record: inout LineProtocolEncoder.Record,
        _ request: inout EncodedRequest
    ) {
        guard !ordinals.isEmpty else { return }
        record.removeAll()
        // It reads lines as InfluxDB 1 has them.
        LineProtocolEncoder(writesUnsigned: false).append(batch, ordinals, into: &request.body, record: &record)
        for line in record.runs {
            request.points += line.ordinals.count
            for ordinal in line.ordinals { request.earliest = min(request.earliest, batch.points.times[ordinal]) }
        }
        for point in record.unrepresentable {
            request.exclude(piece: piece, ordinal: point.ordinal, reason: point.reason)
        }
    }

    /// - Parameter room: bytes that a channel has for a name.
    private func exclusion(_ batch: Batch, _ ordinal: Int, now: Int64, room: Int) -> Exclusion? {
        if age.isTooOld(batch.points.times[ordinal], now: now) { return .past }
        let isName = batch.series.withLabels(of: batch.points.series[ordinal]) { labels in
            for label in LabelIterator(labels) where label.name.elementsEqual(Batch.nameLabel) {
                return !label.value.isEmpty && label.value.count <= room && label.value.allSatisfy(Self.isPathByte)
            }
            return false
        }
        return isName ? nil : .name
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func isPathByte(_ byte: UInt8) -> Bool {
        isPlain(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "=") || byte == UInt8(ascii: "/")
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        // While it waited the moment has passed: what is still new of it goes out, and the rest to nobody.
        if age.isTooOld(request.earliest, now: time.wall()) {
            return .said(.encodeAnew(reason: "points became older than newest_within while they waited"))
        }
        return await transport.perform(
            endpoint.post(
                request.body, to: endpoint.path("api/live/push/" + stream(chunk.tenant) + query),
                headers: [(name: "Content-Type", value: "text/plain; charset=utf-8")]))
    }

    // MARK: Back

    /// A line that it cannot read is answered with 500, as is everything else that goes wrong: either way the moment passes.
    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { HTTPOutcome.of($0, now: $1) }
    }
}
