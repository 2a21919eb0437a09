import Metrics
import WALStore

@testable import Forwarder

/// A backend whose body is one line a point, `<sequence>.<ordinal>`, so that a scripted server can judge points.
struct LineBackend: Backend {
    static let type = "line"

    var url = ""
    var timeout: Duration = .seconds(10)
    /// Ordinals this backend cannot carry.
    var excludes: Set<Int> = []
    /// Ordinals that are in no account: a defect.
    var forgets: Set<Int> = []
    /// Different series may overtake each other.
    var keepsApart = false
    var takesBodies = false
    var traits = BackendTraits(keepsOrder: true, maximumPoints: 1000, maximumBodyBytes: 1 << 20)

    init(name: String, settings: Settings) throws(SettingsError) { url = try settings.required("url") }
    init(url: String) { self.url = url }

    func keepsSeriesApart(_ batch: Batch) -> Bool { keepsApart }

    func encode(_ chunk: Chunk, into request: inout EncodedRequest) {
        request.reset()
        for run in chunk.runs {
            let piece = chunk.pieces[run.piece]
            if chunk.isOfBodies {
                for body in piece.bodies where run.ordinals.overlaps(body.ordinals) {
                    precondition(body.ordinals.clamped(to: run.ordinals) == body.ordinals, "a body is sent whole")
                    request.body += body.bytes
                    request.points += body.ordinals.count
                }
                continue
            }
            for ordinal in run.ordinals {
                if forgets.contains(ordinal) { continue }
                if excludes.contains(ordinal) {
                    request.excluded.append((LeasedRun(piece: run.piece, ordinals: ordinal..<ordinal + 1), "odd"))
                    continue
                }
                let place = piece.places.start.sequence
                request.body += Array("\(place).\(ordinal)\n".utf8)
                request.points += 1
            }
        }
        request.rawBytes = request.body.count
    }

    func send(_ request: EncodedRequest, of chunk: Chunk, attempt: Int, over transport: HTTPTransport) async -> Answer {
        await transport.perform(HTTPRequest(.post, url, body: request.body, timeout: timeout))
    }

    func outcome(of answer: Answer, to request: EncodedRequest) -> DeliveryOutcome {
        switch answer {
        case .said(let outcome): return outcome
        case .failure(let failure): return .retry(after: nil, reason: failure.reason)
        case .response(let response):
            let text = String(decoding: response.body, as: UTF8.self)
            switch response.status {
            case 200..<300: return .delivered
            case 400:
                return .refused(
                    DeadLetterReason(code: "refused", excerpt: text, status: 400),
                    meansAlreadyThere: text.contains("there"))
            case 418: return .encodeAnew(reason: "another form")
            case 401: return .hold(reason: "the backend refuses our credentials")
            case 413: return .tooLarge(limitBytes: nil)
            default:
                let after = response.headers["retry-after"].flatMap { RetryAfter.parse($0, now: 0) }
                return .retry(after: after, reason: "status \(response.status)")
            }
        }
    }
}
