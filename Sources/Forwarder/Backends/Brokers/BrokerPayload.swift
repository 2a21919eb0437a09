import Metrics
import WALStore

/// What a message to a broker holds: the points of one request in a form that its consumers read.
///
/// Keys: `payload: otlp | line_protocol | json`, `compression: gzip | zstd | none`.
struct BrokerPayload: Sendable {
    enum Form: String, CaseIterable {
        /// An OTLP `ExportMetricsServiceRequest`, protobuf.
        case otlp
        case lineProtocol = "line_protocol"
        /// JSON records, one a line (`docs/formats.md`), each with its place.
        case json
    }

    enum Compression: String, CaseIterable {
        case gzip
        case zstd
        case none
    }

    let form: Form
    let compression: Compression
    private let scratch = ScratchPool { Scratch() }

    private struct Scratch: Sendable {
        var otlp = OTLPEncoder()
        var lines = LineProtocolEncoder.Record()
        var records = JSONRecordEncoder()
        var plain: [UInt8] = []
    }

    /// - Parameter usual: the compression when the config names none.
    init(_ settings: Settings, compression usual: Compression) throws(SettingsError) {
        form = try settings.choice("payload", default: .otlp)
        compression = try settings.choice("compression", default: usual)
    }

    /// Of a broker that compresses by itself: its readers see the plain payload.
    init(packedElsewhere settings: Settings) throws(SettingsError) {
        form = try settings.choice("payload", default: .otlp)
        compression = .none
    }

    /// The media type of the payload before compression.
    var contentType: String {
        switch form {
        case .otlp: "application/x-protobuf"
        case .lineProtocol: "text/plain; charset=utf-8"
        case .json: "application/x-ndjson"
        }
    }

    /// nil where it is not compressed.
    var contentEncoding: String? { compression == .none ? nil : compression.rawValue }

    /// Fills `request`, its `messageID` included.
    ///
    /// - Parameter target: the subject or topic it is for.
    func encode(_ chunk: Chunk, to target: String, into request: inout EncodedRequest) {
        request.reset()
        scratch.withScratch { scratch in
            scratch.plain.removeAll(keepingCapacity: true)
            switch form {
            case .otlp: scratch.otlp.append(chunk, into: &scratch.plain, &request)
            case .lineProtocol:
                LineProtocolEncoder.append(chunk, into: &scratch.plain, &request, record: &scratch.lines)
            case .json: Self.appendRecords(chunk, &scratch, &request)
            }
            guard request.points > 0 else { return }
            request.rawBytes = scratch.plain.count
            request.messageID = MessageID.of(chunk, to: target, scratch.plain)
            scratch.plain.withUnsafeBytes { plain in
                switch compression {
                case .gzip: Gzip.compress(plain, level: 1, into: &request.body)
                case .zstd: Zstd.compress(plain, into: &request.body)
                case .none: request.body.append(contentsOf: plain)
                }
            }
        }
    }

    private static func appendRecords(_ chunk: Chunk, _ scratch: inout Scratch, _ request: inout EncodedRequest) {
        for run in chunk.runs {
            let piece = chunk.pieces[run.piece]
            scratch.records.append(piece.batch, run.ordinals, into: &scratch.plain) { ordinal, body in
                piece.place(of: ordinal).appendMember(to: &body)
            }
            request.points += run.ordinals.count
            // With the batch's first points, so that metadata travels once.
            if run.ordinals.lowerBound == 0 { scratch.records.appendPointless(piece.batch, into: &scratch.plain) }
        }
    }
}
