import Metrics

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
            return JSONStream(head, framing, coding, ingest, ticket, responder)
        }
        let route = Route(
            ["POST"], "/api/v1/json", maximumBodyBytes: .max,
            preflight: { head in admit(head, ingest) }, body: body)
        return [route]
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
        // A stream is bounded by its slices, not by its length.
        return ingest.admit(head, source: name, bodyBytes: framing == .lines ? 0 : head.contentLength ?? 0)
    }
}
