import Metrics
import WALStore

/// Prometheus remote write 1.0: Prometheus itself, Mimir, Cortex, Thanos, VictoriaMetrics and their kin.
///
/// Own keys: those of `TenantHeader`, the rest as in `HTTPEndpoint`.
/// <https://prometheus.io/docs/specs/prw/remote_write_spec/>
public struct PrometheusRemoteWrite: Backend {
    public static let type = "prometheus_remote_write"
    public let traits: BackendTraits
    public var oldPoints: String {
        "A Prometheus refuses what is older than its newest point of a series, but for its out_of_order_time_window (none by "
            + "default); others take what lies in their retention."
    }

    public var mayRefuseOldPoints: Bool { true }

    private let endpoint: HTTPEndpoint
    private let tenant: TenantHeader?
    private let scratch = ScratchPool { Scratch() }

    private struct Scratch: Sendable {
        var encoder = RemoteWriteEncoder()
        var packer = RemoteWritePacker()
        var plain: [UInt8] = []
    }

    /// Headers a sender must not let its user change.
    /// <https://prometheus.io/docs/specs/prw/remote_write_spec/#protocol>
    private static let reserved: Set<String> = ["x-prometheus-remote-write-version", "retry-attempt"]

    public init(name: String, settings: Settings) throws(SettingsError) {
        endpoint = try HTTPEndpoint(settings, reserved: Self.reserved)
        tenant = try TenantHeader(settings, endpoint, reserved: Self.reserved)
        // Order is the protocol's rule: a series' older sample after a newer one is refused. Different series may go out
        // at once; Prometheus itself opens up to 50 connections.
        traits = try BackendTraits(
            keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 3 << 20, concurrency: 32,
            timeout: endpoint.timeout
        ).overridden(by: settings)
    }

    // MARK: Out

    public func keepsSeriesApart(_ batch: Batch) -> Bool { RemoteWriteEncoder.keepsSeriesApart(batch) }

    public var takesBodies: Bool { true }

    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        if chunk.isOfBodies { return Self.join(chunk, into: &request) }
        scratch.withScratch { scratch in
            scratch.plain.removeAll(keepingCapacity: true)
            if let packed = Self.pack(chunk, &scratch.packer, into: &request.body) {
                (request.points, request.rawBytes) = packed
                return
            }
            if let series = chunk.series, let batch = chunk.pieces.first?.batch {
                request.points = scratch.encoder.append(
                    batch, chunk.runs.lazy.map(\.ordinals), of: series, into: &scratch.plain)
            } else {
                Self.append(chunk, to: &scratch, &request)
            }
            for run in chunk.runs where run.ordinals.lowerBound == 0 {
                // With the batch's first points, so that metadata travels once.
                RemoteWriteEncoder.append(chunk.pieces[run.piece].batch.metadata, into: &scratch.plain)
            }
            guard request.points > 0 else { return }
            request.rawBytes = scratch.plain.count
            scratch.plain.withUnsafeBytes { Snappy.compress($0, into: &request.body) }
        }
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

    private static func append(_ chunk: Chunk, to scratch: inout Scratch, _ request: inout EncodedRequest) {
        for run in chunk.runs {
            let counts = scratch.encoder.append(chunk.pieces[run.piece].batch, run.ordinals, into: &scratch.plain)
            request.points += counts.points
            for point in counts.excluded {
                request.exclude(piece: run.piece, ordinal: point.ordinal, reason: point.reason.rawValue)
            }
        }
    }

    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        var headers = [
            (name: "Content-Type", value: "application/x-protobuf"),
            (name: "Content-Encoding", value: "snappy"),
            (name: "X-Prometheus-Remote-Write-Version", value: "0.1.0"),
        ]
        // Mimir derives its Retry-After from it.
        if attempt > 1 { headers.append((name: "Retry-Attempt", value: "\(attempt - 1)")) }
        if let tenant { headers.append(tenant(chunk.tenant)) }
        return await transport.perform(endpoint.post(request.body, headers: headers))
    }

    // MARK: Back

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        HTTPOutcome.of(answer) { Self.outcome(of: $0, now: $1) }
    }

    private static func outcome(of response: HTTPResponse, now: Int64) -> DeliveryOutcome {
        switch response.status {
        case 400 where Excerpt.holds(response.body, oversizePhrases): .tooLarge(limitBytes: nil)
        case 400:
            HTTPOutcome.refused(response, meansAlreadyThere: Excerpt.holds(response.body, alreadyTherePhrases))
        // Thanos: out of order, duplicate or too old, perhaps from one replica after others stored it.
        case 409: HTTPOutcome.refused(response, meansAlreadyThere: true)
        default: HTTPOutcome.of(response, now: now)
        }
    }

    /// How receivers say that a sample is older than, or as old as, one they hold. Which sample is meant is not read from
    /// the text: the specification forbids that.
    static let alreadyTherePhrases = [
        // Prometheus storage/interface.go, and who embeds its TSDB: Cortex, Thanos, Mimir's ingesters.
        "out of order sample", "out-of-order sample", "duplicate sample for timestamp", "too old sample",
        // Mimir pkg/util/globalerror: ids that stay when the words change.
        "err-mimir-sample-out-of-order", "err-mimir-sample-duplicate-timestamp", "err-mimir-sample-timestamp-too-old",
        // The same for native histograms, Prometheus storage/interface.go.
        "out of order histogram",
    ]

    /// Who answers a body that is too large with 400: Mimir's distributor, and VictoriaMetrics (`-maxInsertRequestSize`).
    private static let oversizePhrases = [
        "err-mimir-distributor-max-write-message-size", "too big unpacked request", "too big packed request",
    ]
}
