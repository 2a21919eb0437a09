import Metrics
import WALStore

/// Makes the bodies of a backend whose format the config chooses: by an encoder, or from a template.
///
/// Keys: `encoder: ndjson | json | line_protocol | otlp | remote_write | exposition`, or `template` with those of `PointTemplate`;
/// `compression: gzip | zstd | none`, `content_type`.
struct BodyWriter: Sendable {
    enum Encoder: String, CaseIterable {
        case ndjson
        case json
        case lineProtocol = "line_protocol"
        case otlp
        case remoteWrite = "remote_write"
        case exposition
    }

    enum Compression: String, CaseIterable {
        case gzip
        case zstd
        case none
    }

    /// What the body is, and how it is packed.
    let headers: [(name: String, value: String)]
    private let encoder: Encoder
    /// Goes before `encoder`.
    private let template: PointTemplate?
    private let compression: Compression
    private let scratch = ScratchPool { Scratch() }

    private struct Scratch: Sendable {
        var records = JSONRecordEncoder()
        var lines = LineProtocolEncoder.Record()
        var otlp = OTLPEncoder()
        var remoteWrite = RemoteWriteEncoder()
        var exposition = ExpositionEncoder()
        var plain: [UInt8] = []
    }

    /// Headers that the config may not set, in lower case.
    var reservedHeaders: Set<String> { Set(headers.map { $0.name.lowercased() }) }

    init(_ settings: Settings) throws(SettingsError) {
        encoder = try settings.choice("encoder", default: .ndjson)
        template = try PointTemplate(settings)
        if template != nil, settings.has("encoder") {
            throw SettingsError(
                "\(settings.path): encoder and template exclude each other", line: settings.line(of: "encoder"))
        }
        compression = try settings.choice("compression", default: .gzip)
        let isRemoteWrite = encoder == .remoteWrite && template == nil
        if isRemoteWrite, settings.has("compression") || settings.has("content_type") {
            throw SettingsError(
                "\(settings.path): remote_write has a compression and a type of its own",
                line: settings.line(of: "encoder"))
        }
        let type = try settings.string("content_type")
        if isRemoteWrite {
            headers = RemoteWriteForm.first.headers
        } else {
            let coding = compression == .none ? [] : [(name: "Content-Encoding", value: compression.rawValue)]
            headers =
                [(name: "Content-Type", value: type ?? (template == nil ? encoder.type : "application/json"))] + coding
        }
        guard headers.allSatisfy({ HTTPRequest.isHeader(name: $0.name, value: $0.value) && !$0.value.isEmpty }) else {
            throw SettingsError(
                "\(settings.name(of: "content_type")) is no media type", line: settings.line(of: "content_type"))
        }
    }

    // MARK: Encoding

    func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        scratch.withScratch { scratch in
            scratch.plain.removeAll(keepingCapacity: true)
            if let template {
                template.append(chunk, into: &scratch.plain, &request)
            } else {
                switch encoder {
                case .ndjson, .json: appendRecords(chunk, &scratch, &request)
                case .lineProtocol:
                    LineProtocolEncoder.append(chunk, into: &scratch.plain, &request, record: &scratch.lines)
                case .otlp: scratch.otlp.append(chunk, into: &scratch.plain, &request)
                case .remoteWrite: Self.appendRemoteWrite(chunk, &scratch, &request)
                case .exposition: Self.appendExposition(chunk, &scratch, &request)
                }
            }
            guard request.points > 0 else { return }
            request.rawBytes = scratch.plain.count
            pack(scratch.plain, into: &request.body)
        }
    }

    private func pack(_ plain: [UInt8], into body: inout [UInt8]) {
        plain.withUnsafeBytes { plain in
            if encoder == .remoteWrite, template == nil { return Snappy.compress(plain, into: &body) }
            switch compression {
            case .gzip: Gzip.compress(plain, level: 1, into: &body)
            case .zstd: Zstd.compress(plain, into: &body)
            case .none: body.append(contentsOf: plain)
            }
        }
    }

    /// A document is the lines of a stream as an array: no record has a line feed but the one at its end.
    private func appendRecords(_ chunk: Chunk, _ scratch: inout Scratch, _ request: inout EncodedRequest) {
        if encoder == .json { scratch.plain.append(UInt8(ascii: "[")) }
        for run in chunk.runs {
            let batch = chunk.pieces[run.piece].batch
            scratch.records.append(batch, run.ordinals, into: &scratch.plain)
            request.points += run.ordinals.count
            // With the batch's first points, so that metadata travels once.
            if run.ordinals.lowerBound == 0 { scratch.records.appendPointless(batch, into: &scratch.plain) }
        }
        guard encoder == .json else { return }
        let end = scratch.plain.count - 1
        scratch.plain.withUnsafeMutableBytes { bytes in
            for at in 1..<max(1, end) where bytes[at] == UInt8(ascii: "\n") { bytes[at] = UInt8(ascii: ",") }
            if end > 0 { bytes[end] = UInt8(ascii: "]") }
        }
    }

    /// As it comes, with times: what imports take, not what a scrape is.
    private static func appendExposition(_ chunk: Chunk, _ scratch: inout Scratch, _ request: inout EncodedRequest) {
        for run in chunk.runs {
            let batch = chunk.pieces[run.piece].batch
            for ordinal in run.ordinals {
                if let reason = scratch.exposition.append(batch, ordinal, into: &scratch.plain) {
                    request.exclude(piece: run.piece, ordinal: ordinal, reason: reason.rawValue)
                } else {
                    request.points += 1
                }
            }
        }
    }

    private static func appendRemoteWrite(_ chunk: Chunk, _ scratch: inout Scratch, _ request: inout EncodedRequest) {
        for run in chunk.runs {
            let batch = chunk.pieces[run.piece].batch
            let counts = scratch.remoteWrite.append(batch, run.ordinals, into: &scratch.plain)
            request.points += counts.points
            for point in counts.excluded {
                request.exclude(piece: run.piece, ordinal: point.ordinal, reason: point.reason.rawValue)
            }
            if run.ordinals.lowerBound == 0 { RemoteWriteEncoder.append(batch.metadata, into: &scratch.plain) }
        }
    }
}

extension BodyWriter.Encoder {
    var type: String {
        switch self {
        case .ndjson: "application/x-ndjson"
        case .json: "application/json"
        case .lineProtocol: "text/plain; charset=utf-8"
        case .otlp, .remoteWrite: "application/x-protobuf"
        case .exposition: "text/plain; version=0.0.4; charset=utf-8"
        }
    }
}
