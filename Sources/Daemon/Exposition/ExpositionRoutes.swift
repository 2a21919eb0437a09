import Forwarder
import Metrics

/// `GET /api/v1/exposition/<backend>`: the page of the tenant whose credential asks.
final class ExpositionRoutes: Sendable {
    static let name = "exposition"
    private static let path = "/api/v1/exposition/"
    private let ingest: Ingest
    private let find: @Sendable (_ backend: String, _ tenant: String) -> PrometheusExposition?
    private let turns = PageTurns()

    /// - Parameter find: the backend, where the tenant has one of this name that exposes.
    init(_ ingest: Ingest, find: @escaping @Sendable (_ backend: String, _ tenant: String) -> PrometheusExposition?) {
        self.ingest = ingest
        self.find = find
    }

    var routes: [Route] {
        let ingest = ingest
        return [
            Route(
                ["GET"], Self.path, isPrefix: true, maximumBodyBytes: 1 << 10,
                preflight: { head in ingest.admit(head, source: Self.name) },
                handler: { [self] request, responder in answer(request, responder) })
        ]
    }

    private func answer(_ request: IncomingRequest, _ responder: Responder) {
        guard let ticket = request.ticket as? IngestTicket else {
            preconditionFailure("the route's preflight makes the ticket")
        }
        let name = String(request.head.path.dropFirst(Self.path.count))
        guard let backend = find(name, ticket.tenant) else {
            return responder.reply(.problem(404, "the tenant has no backend of this name that is exposed"))
        }
        let (turns, tenant, head) = (turns, ticket.tenant, request.head)
        let isTaken = turns.take {
            // Not on the server's thread, on which others' requests come in.
            Task {
                defer { turns.end() }
                responder.reply(Self.reply(backend, tenant, head))
            }
        }
        if !isTaken { responder.reply(.problem(503, "many pages wait to be written", retryAfterSeconds: 1)) }
    }

    private static func reply(_ backend: PrometheusExposition, _ tenant: String, _ head: RequestHead) -> Reply {
        let form = ExpositionPage.Form.wanted(by: AcceptHeader(head.header("accept")))
        let page = backend.page(of: tenant, form).bytes
        var reply = Reply(status: 200, headers: [("Vary", "Accept, Accept-Encoding"), ("Cache-Control", "no-store")])
        guard AcceptHeader(head.header("accept-encoding")).takes(coding: "gzip") else {
            reply.body = .bytes(page, contentType: form.contentType)
            return reply
        }
        var packed: [UInt8] = []
        page.withUnsafeBytes { Gzip.compress($0, level: 1, into: &packed) }
        reply.headers.append(("Content-Encoding", "gzip"))
        reply.body = .bytes(packed, contentType: form.contentType)
        return reply
    }
}
