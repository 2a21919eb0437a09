import Metrics

/// Prometheus remote write 1.0. <https://prometheus.io/docs/specs/prw/remote_write_spec/>
///
/// 204 when every valid point is on disk; invalid series are set aside and counted, because a 400 would make Prometheus
/// drop the whole request. 429 is never said: Prometheus drops on it by default.
enum RemoteWriteSource: IngestSource {
    static let name = "prometheus_remote_write"
    private static let firstVersion = "prometheus.WriteRequest"
    private static let secondVersion = "io.prometheus.write.v2.Request"

    static func routes(_ ingest: Ingest) -> [Route] {
        let write = Route(
            ["POST"], "/api/v1/write", maximumBodyBytes: .max,
            preflight: { head in admit(head, ingest) },
            handler: { request, responder in handle(request, responder, ingest) })
        return [write]
    }

    private static func admit(_ head: RequestHead, _ ingest: Ingest) -> Admission {
        if let reply = unsupported(head) { return .refused(ingest.refuse(reply, source: name)) }
        return ingest.admit(head, source: name)
    }

    /// The content type decides which message it is, not the version header (remote write 2.0, "Protocol"). A sender of
    /// 2.0 falls back to 1.0 on 415.
    static func unsupported(_ head: RequestHead) -> Reply? {
        let type = MediaType(head.header("content-type") ?? "application/x-protobuf")
        guard type.name == "application/x-protobuf" else {
            return .problem(415, "the Content-Type must be application/x-protobuf")
        }
        switch type.parameters["proto"] {
        case nil, firstVersion: break
        case secondVersion:
            return .problem(415, "remote write 2.0 messages are not taken; send proto=\(firstVersion)")
        default: return .problem(415, "proto must be \(firstVersion)")
        }
        let coding = (head.header("content-encoding") ?? "").lowercased()
        // Senders of the first days left the header out.
        guard coding == "snappy" || coding.isEmpty else {
            return .problem(415, "the Content-Encoding must be snappy, in block format")
        }
        return nil
    }

    private static func handle(_ request: IncomingRequest, _ responder: Responder, _ ingest: Ingest) {
        guard let ticket = request.ticket as? IngestTicket else {
            preconditionFailure("the route's preflight makes the ticket")
        }
        let arrival = Arrival(request.head, source: name, bodyBytes: request.body.count)
        let limits = ingest.policy.limits.wire
        let decoded: DecodedRequest
        do throws(WireError) {
            decoded = try ingest.pool.withContext(reading: request.body.count) { context throws(WireError) in
                try decode(request.body, limits, context)
                return context.decoded
            }
        } catch {
            let reply = ingest.refuse(.undecodable(error), source: name, tenant: ticket.tenant)
            return responder.reply(reply)
        }
        let body = decoded.isVerbatim ? request.body : nil
        ingest.store(decoded, arrival, body: body, ticket: ticket, responder: responder) { receipt, refusals in
            var reply = Reply.noContent
            reply.tell(receipt)
            if !refusals.isEmpty {
                reply.headers.append((Reply.refusedPointsHeader, String(refusals.totalPoints)))
            }
            return reply
        }
    }

    static func decode(
        _ body: [UInt8], _ limits: WireLimits, _ context: DecodeContext
    ) throws(WireError) {
        let failure = body.withUnsafeBytes { body -> WireError? in
            do throws(WireError) {
                try Snappy.decompress(body, into: &context.plain, limit: limits.decodedBytes)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        let decodeFailure = context.plain.withUnsafeBytes { plain -> WireError? in
            do throws(WireError) {
                try context.remoteWrite.decode(plain, limits: limits, into: &context.decoded)
                return nil
            } catch {
                return error
            }
        }
        if let decodeFailure { throw decodeFailure }
    }
}
