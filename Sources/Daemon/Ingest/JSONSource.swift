import Metrics
import WALStore

/// Records as JSON: one document, or a stream with one record a line (`docs/formats.md`, "JSON records").
///
/// A stream is committed in slices while it arrives; the answer comes once, at its end, and names how many lines are
/// committed and which were bad. A cut connection leaves a committed prefix of whole slices.
enum JSONSource: IngestSource {
    static let name = "json"
    enum Framing: Sendable { case document, lines }

    static func routes(_ ingest: Ingest) -> [Route] {
        let body = Route.Body.streamed { head, ticket, responder in
            guard let ticket = ticket as? IngestTicket else {
                preconditionFailure("the route's preflight makes the ticket")
            }
            let framing = framing(of: head) ?? .document
            let coding = ContentCoding(header: head.header("content-encoding")) ?? .identity
            return JSONStream(head, framing, coding, resend(of: head), ingest, ticket, responder)
        }
        let route = Route(
            ["POST"], "/api/v1/json", maximumBodyBytes: .max,
            preflight: { head in admit(head, ingest) }, body: body)
        let progress = Route(
            ["GET"], streamsPath, isPrefix: true, preflight: { head in ingest.admit(head, source: name) },
            handler: { request, responder in tellProgress(request, responder, ingest) })
        return [route, progress]
    }

    private static let streamsPath = "/api/v1/json/streams/"

    /// How far a stream is: 0 lines for one that nothing is known of, which is where the client has to begin.
    private static func tellProgress(_ request: IncomingRequest, _ responder: Responder, _ ingest: Ingest) {
        guard let ticket = request.ticket as? IngestTicket else {
            preconditionFailure("the route's preflight makes the ticket")
        }
        let id = String(request.head.path.dropFirst(streamsPath.count))
        guard Resend.isStreamID(id) else { return responder.reply(.problem(404, "no stream can have this ID")) }
        ingest.progress(.stream(id), ticket.tenant) { result in
            switch result {
            case .success(let progress):
                let text = "{\"committed_lines\":\(progress?.committedLines ?? 0)}\n"
                responder.reply(.json(200, Array(text.utf8)))
            case .failure(let error): responder.reply(.failed(error))
            }
        }
    }

    /// What the preflight has looked at.
    private static func resend(of head: RequestHead) -> Resend? {
        do throws(ResendMistake) { return try Resend.find(in: head) } catch { return nil }
    }

    private static func framing(of head: RequestHead) -> Framing? {
        switch MediaType(head.header("content-type") ?? "").name {
        case "application/json": return .document
        case "application/x-ndjson", "application/jsonl", "application/stream+json": return .lines
        default: return nil
        }
    }

    private static func admit(_ head: RequestHead, _ ingest: Ingest) -> Admission {
        guard let framing = framing(of: head) else {
            let types = "application/json, application/x-ndjson, application/jsonl or application/stream+json"
            return .refused(ingest.refuse(.problem(415, "the Content-Type must be \(types)"), source: name))
        }
        guard MediaType(head.header("content-type") ?? "").isUTF8 else {
            return .refused(ingest.refuse(.problem(415, MediaType.otherCharset), source: name))
        }
        let coding = ContentCoding(header: head.header("content-encoding"))
        guard let coding, coding != .snappy else {
            let reply = Reply.problem(415, "the Content-Encoding must be gzip, zstd, deflate or identity")
            return .refused(ingest.refuse(reply, source: name))
        }
        do throws(ResendMistake) {
            if case .stream = try Resend.find(in: head), framing == .document {
                throw ResendMistake(message: "a stream is of lines: send application/x-ndjson")
            }
        } catch {
            return .refused(ingest.refuse(.problem(400, error.message), source: name))
        }
        // A stream is bounded by its slices, not by its length.
        return ingest.admit(head, source: name, bodyBytes: framing == .lines ? 0 : head.contentLength ?? 0)
    }
}
