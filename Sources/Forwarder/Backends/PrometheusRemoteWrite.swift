import Metrics
import WALStore

/// Prometheus remote write 1.0 and 2.0: Prometheus itself, Mimir, Cortex, Thanos, VictoriaMetrics and their kin.
///
/// Own keys: `protocol: 1.0 | 2.0 | auto`, `compression: snappy | zstd`, `preset`, those of `TenantHeader`, the rest as in
/// `HTTPEndpoint`; `{tenant}` may stand in `url` and in `basic_auth.username`.
/// <https://prometheus.io/docs/specs/prw/remote_write_spec/>, <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>
public struct PrometheusRemoteWrite: Backend {
    public static let type = "prometheus_remote_write"
    public let traits: BackendTraits
    public var oldPoints: String {
        "A Prometheus refuses what is older than its newest point of a series, but for its out_of_order_time_window (none by "
            + "default); others take what lies in their retention."
    }

    public var mayRefuseOldPoints: Bool { true }

    private let target: RemoteWriteTarget
    private let forms: RemoteWriteForms
    private let families = RemoteWriteFamilies()
    private let scratch = ScratchPool { Scratch() }

    private struct Scratch: Sendable {
        var encoder = RemoteWriteEncoder()
        var second = RemoteWriteEncoder(.second)
        var packer = RemoteWritePacker()
        var plain: [UInt8] = []
        /// The messages of 2.0, before the texts that they name are known.
        var messages: [UInt8] = []
    }

    public init(name: String, settings: Settings) throws(SettingsError) {
        try self.init(name: name, settings: settings, environment: BackendEnvironment())
    }

    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try PrometheusRemoteWrite(name: name, settings: settings, environment: environment)
    }

    private init(name: String, settings: Settings, environment: BackendEnvironment) throws(SettingsError) {
        let preset = try RemoteWritePreset(settings)
        target = try RemoteWriteTarget(settings, preset)
        let version = try settings.choice("protocol", default: RemoteWriteProtocol.first)
        let usual = version == .first ? preset?.compression : nil
        let compression = try settings.choice("compression", default: usual ?? .snappy)
        if compression == .zstd, version != .first {
            throw SettingsError(
                "\(settings.name(of: "compression")): zstd is a form of 1.0; 2.0 is always snappy",
                line: settings.line(of: "compression"))
        }
        let wanted: RemoteWriteForm = version != .first ? .second : compression == .zstd ? .zstd : .first
        forms = RemoteWriteForms(wanted, mayFallBack: version != .second, backend: name, environment: environment)
        // Order is the protocol's rule: a series' older sample after a newer one is refused. Different series may go out
        // at once; Prometheus itself opens up to 50 connections.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 3 << 20, concurrency: 32
        ).overridden(by: settings)
    }

    // MARK: Out

    /// Names are changed alike in both versions, so that a series stays one when its lane goes from one to the other.
    public func keepsSeriesApart(_ batch: Batch) -> Bool { RemoteWriteEncoder.keepsSeriesApart(batch) }

    /// They are 1.0 under snappy.
    public var takesBodies: Bool { forms.wanted == .first }

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        if chunk.isOfBodies { return Self.join(chunk, into: &request) }
        request.remoteWrite = forms.choose(chunk.tenant)
        let form = request.remoteWrite.form
        scratch.withScratch { scratch in
            scratch.plain.removeAll(keepingCapacity: true)
            if form == .second {
                encodeSecond(chunk, &scratch, into: &request)
            } else {
                if form == .first, let packed = Self.pack(chunk, &scratch.packer, into: &request.body) {
                    (request.points, request.rawBytes) = packed
                    return
                }
                Self.encodeFirst(chunk, &scratch, into: &request)
            }
            guard request.points > 0 else { return }
            request.rawBytes = scratch.plain.count
            scratch.plain.withUnsafeBytes { plain in
                if form == .zstd {
                    Zstd.compress(plain, into: &request.body)
                } else {
                    Snappy.compress(plain, into: &request.body)
                }
            }
        }
    }

    private static func encodeFirst(_ chunk: Chunk, _ scratch: inout Scratch, into request: inout EncodedRequest) {
        if let series = chunk.series, let batch = chunk.pieces.first?.batch {
            request.points = scratch.encoder.append(
                batch, chunk.runs.lazy.map(\.ordinals), of: series, into: &scratch.plain)
        } else {
            append(chunk, with: &scratch.encoder, into: &scratch.plain, &request)
        }
        forEachMetadata(of: chunk) { RemoteWriteEncoder.append($0, into: &scratch.plain) }
    }

    /// With a batch's first points, or as a row of its own, so that metadata travels once: pieces of a merged lease share it.
    private static func forEachMetadata(of chunk: Chunk, _ body: ([MetricMetadata]) -> Void) {
        var last: [MetricMetadata] = []
        for run in chunk.runs where run.ordinals.lowerBound == 0 {
            let metadata = chunk.pieces[run.piece].batch.metadata
            if metadata.isEmpty || metadata == last { continue }
            body(metadata)
            last = metadata
        }
    }

    private func encodeSecond(_ chunk: Chunk, _ scratch: inout Scratch, into request: inout EncodedRequest) {
        scratch.messages.removeAll(keepingCapacity: true)
        Self.forEachMetadata(of: chunk) { families.learn($0, of: chunk.tenant) }
        scratch.second.begin(knowing: families.known(of: chunk.tenant))
        if let series = chunk.series, let batch = chunk.pieces.first?.batch {
            request.points = scratch.second.append(
                batch, chunk.runs.lazy.map(\.ordinals), of: series, into: &scratch.messages)
            request.remoteWrite.samples = request.points
        } else {
            Self.append(chunk, with: &scratch.second, into: &scratch.messages, &request)
        }
        request.remoteWrite.repeatsSeries = scratch.second.repeatsSeries
        request.items = chunk.runsByKind(without: request.excluded.map(\.run))
        scratch.second.appendSymbols(to: &scratch.plain)
        scratch.plain.append(contentsOf: scratch.messages)
    }

    /// Where the points of a series stand together, the most common case.
    ///
    /// - Returns: nil when it is not that case.
    private static func pack(
        _ chunk: Chunk, _ packer: inout RemoteWritePacker, into body: inout [UInt8]
    ) -> (points: Int, plainBytes: Int)? {
        guard let series = chunk.series, let batch = chunk.pieces.first?.batch, batch.metadata.isEmpty else {
            return nil
        }
        return packer.append(batch, chunk.runs.lazy.map(\.ordinals), of: series, into: &body)
    }

    /// `timeseries` is a repeated field: messages one behind the other are one message.
    private static func join(_ chunk: Chunk, into request: inout EncodedRequest) {
        var joiner = SnappyJoiner()
        for run in chunk.runs {
            for body in chunk.pieces[run.piece].bodies where run.ordinals.overlaps(body.ordinals) {
                precondition(body.ordinals.clamped(to: run.ordinals) == body.ordinals, "a body is sent whole")
                joiner.add(body.bytes)
                request.points += body.ordinals.count
            }
        }
        request.rawBytes = joiner.plainBytes
        joiner.finish(into: &request.body)
    }

    private static func append(
        _ chunk: Chunk, with encoder: inout RemoteWriteEncoder, into plain: inout [UInt8],
        _ request: inout EncodedRequest
    ) {
        for run in chunk.runs {
            let counts = encoder.append(chunk.pieces[run.piece].batch, run.ordinals, into: &plain)
            request.points += counts.points
            request.remoteWrite.samples += counts.samples - counts.histograms
            request.remoteWrite.histograms += counts.histograms
            for point in counts.excluded {
                request.exclude(piece: run.piece, ordinal: point.ordinal, reason: point.reason.rawValue)
            }
        }
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        var headers = request.remoteWrite.form.headers
        // Mimir derives its Retry-After from it.
        if attempt > 1 { headers.append((name: "Retry-Attempt", value: "\(attempt - 1)")) }
        let answer = await transport.perform(target.post(request.body, of: chunk.tenant, headers: headers))
        forms.learn(answer, to: request.remoteWrite, chunk.tenant)
        return answer
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { RemoteWriteAnswer.outcome(of: $0, to: request, now: $1) }
    }
}
