import Metrics
import WALStore

/// Files of JSON records, one a line (`docs/formats.md`), rotated by size and age: a backend that needs no network.
///
/// Own keys: `path` (a folder, must hold `{tenant}`), `rotate_size`, `rotate_after`, and `max_bytes` for each tenant's
/// folder: beyond it the oldest closed file is deleted, and an event says so; so it is when the disk or the node's budget
/// has no room for the next lines.
public struct Archive: Backend {
    public static let type = "archive"
    public let traits: BackendTraits
    public var oldPoints: String { "It takes points of any age." }
    public var folder: String? { path.text }

    private let path: TenantTemplate
    private let writer: ArchiveWriter
    private let scratch = ScratchPool { JSONRecordEncoder() }

    public init(name: String, settings: Settings) throws(SettingsError) {
        try self.init(name: name, settings: settings, environment: BackendEnvironment())
    }

    public static func make(
        name: String, settings: Settings, environment: BackendEnvironment
    ) throws(SettingsError) -> any Backend {
        try Archive(name: name, settings: settings, environment: environment)
    }

    private init(name: String, settings: Settings, environment: BackendEnvironment) throws(SettingsError) {
        // Two archives must not share a folder.
        let folder = name == Archive.type ? name : "\(Archive.type)-\(name)"
        path =
            try TenantTemplate(settings, "path")
            ?? TenantTemplate("\(environment.dataDirectory)/\(folder)/\(TenantTemplate.placeholder)")
        guard path.namesTenant else {
            throw SettingsError(
                "\(settings.name(of: "path")) must hold {tenant}: the files of tenants stay apart",
                line: settings.line(of: "path"))
        }
        let limits = ArchiveLimits(
            rotateBytes: try Archive.size(settings, "rotate_size", default: 64 << 20),
            rotateAfter: try settings.duration("rotate_after") ?? .seconds(3600),
            maximumBytes: try Archive.size(settings, "max_bytes", default: 1 << 30))
        guard limits.rotateBytes <= limits.maximumBytes else {
            throw SettingsError(
                "\(settings.name(of: "rotate_size")) must not be larger than max_bytes",
                line: settings.line(of: "rotate_size"))
        }
        guard limits.rotateAfter >= .seconds(1) else {
            throw SettingsError(
                "\(settings.name(of: "rotate_after")) must be 1s at least", line: settings.line(of: "rotate_after"))
        }
        writer = ArchiveWriter(name: name, limits: limits, environment)
        traits = try BackendTraits(keepsOrder: true, maximumPoints: 10_000, maximumBodyBytes: 8 << 20)
            .overridden(by: settings)
    }

    private static func size(
        _ settings: Settings, _ key: String, default fallback: Int
    ) throws(SettingsError) -> Int {
        let size = try settings.size(key) ?? fallback
        guard size >= 4096 else {
            throw SettingsError("\(settings.name(of: key)) must be 4KiB at least", line: settings.line(of: key))
        }
        return size
    }

    /// Every line begins with its place, and is the same whenever it is encoded: a line that was written before a crash
    /// is recognised when it comes again.
    public func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        scratch.withScratch { encoder in
            for run in chunk.runs {
                let piece = chunk.pieces[run.piece]
                encoder.append(piece.batch, run.ordinals, into: &request.body) { ordinal, body in
                    piece.place(of: ordinal).appendMember(to: &body)
                }
                request.points += run.ordinals.count
                // With the batch's first points, so that metadata is written once.
                if run.ordinals.lowerBound == 0 { encoder.appendPointless(piece.batch, into: &request.body) }
            }
        }
        request.rawBytes = request.body.count
    }

    /// Returns when the lines, and the folder they are in, are fsynced.
    public func send(
        _ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport
    ) async -> Answer {
        do throws(ArchiveError) {
            try await writer.append(request.body, tenant: chunk.tenant, folder: path(chunk.tenant))
            return .said(.delivered)
        } catch {
            // What was not fsynced was taken back, or is recognised next time.
            return .failure(TransportFailure(mayHaveArrived: false, reason: error.description))
        }
    }

    public func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        switch answer {
        case .said(let outcome): outcome
        case .failure(let failure): .retry(after: nil, reason: failure.reason)
        case .response(let response): .retry(after: nil, reason: "HTTP \(response.status) from a folder")
        }
    }
}

struct ArchiveLimits: Sendable {
    /// A file is closed before the write that would make it larger.
    var rotateBytes: Int
    var rotateAfter: Duration
    /// Of one tenant's files together.
    var maximumBytes: Int
}

/// A call that failed, in words: `write /data/archive/acme/archive-00000001-....ndjson: No space left on device`.
struct ArchiveError: Error, CustomStringConvertible {
    var description: String
    /// The disk, or the node's budget, has no room.
    var isFull = false
}
