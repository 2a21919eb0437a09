import Metrics
import WALStore

/// InfluxDB's line protocol on the write endpoints of versions 1 and 2, and what their clients ask besides.
/// <https://docs.influxdata.com/influxdb/v1/tools/api/> <https://docs.influxdata.com/influxdb/v2/api/v2/>
///
/// Good lines are committed before the bad ones are told of: version 1 clients get 400 `partial write`, version 2 clients
/// 422, as their servers do. A line without a time gets that of its arrival before it is stored, so that a resend from
/// the spool is the same point.
enum InfluxSource: IngestSource {
    static let name = "influx"
    /// What the answers look like.
    enum Dialect: Sendable { case first, second }

    static func routes(_ ingest: Ingest) -> [Route] {
        [
            write("/write", .first, ingest),
            write("/api/v2/write", .second, ingest),
            Route(["GET"], "/ping") { request, responder in responder.reply(ping(request.head, ingest)) },
            Route(["GET"], "/health") { _, responder in responder.reply(health(ingest)) },
            Route(
                ["GET", "POST"], "/query", maximumBodyBytes: 64 << 10,
                preflight: { head in ingest.admit(head, source: name, allowingParameters: true) },
                handler: { request, responder in responder.reply(query(request, ingest)) }),
        ]
    }

    private static func write(_ path: String, _ dialect: Dialect, _ ingest: Ingest) -> Route {
        Route(
            ["POST"], path, maximumBodyBytes: .max,
            preflight: { head in admit(head, dialect, ingest) },
            handler: { request, responder in handle(request, dialect, responder, ingest) })
    }

    private static func admit(_ head: RequestHead, _ dialect: Dialect, _ ingest: Ingest) -> Admission {
        if ContentCoding(header: head.header("content-encoding")).map({ $0 == .identity || $0 == .gzip }) != true {
            let reply = Reply.problem(415, "the Content-Encoding must be gzip or identity")
            return .refused(ingest.refuse(reply, source: name))
        }
        guard MediaType(head.header("content-type") ?? "").isUTF8 else {
            return .refused(ingest.refuse(.problem(415, MediaType.otherCharset), source: name))
        }
        if let given = head.parameter("precision"), !given.isEmpty, LinePrecision(name: given) == nil {
            let reply = invalid("invalid precision \"\(given.prefix(20))\"; use n, u, ms, s, m or h", dialect, ingest)
            return .refused(ingest.refuse(reply, source: name))
        }
        let parameter = dialect == .first ? "db" : "bucket"
        guard let named = head.parameter(parameter), !named.isEmpty else {
            let reply = invalid(dialect == .first ? "database is required" : "bucket is required", dialect, ingest)
            return .refused(ingest.refuse(reply, source: name))
        }
        do throws(ResendMistake) {
            _ = try IdempotencyKey.name(of: head, allowingParameters: dialect == .first)
        } catch {
            return .refused(ingest.refuse(invalid(error.message, dialect, ingest), source: name))
        }
        // Version 1 calls in version 2's words name "database/policy".
        let database = dialect == .first ? named : String(named.prefix { $0 != "/" })
        return ingest.admit(head, source: name, database: database, allowingParameters: dialect == .first)
    }

    private static func handle(
        _ request: IncomingRequest, _ dialect: Dialect, _ responder: Responder, _ ingest: Ingest
    ) {
        guard let ticket = request.ticket as? IngestTicket else {
            preconditionFailure("the route's preflight makes the ticket")
        }
        let arrival = Arrival(request.head, source: name, bodyBytes: request.body.count)
        let key = IdempotencyKey.known(of: request.head, allowingParameters: dialect == .first)
        let decoded: DecodedRequest
        let mark: RequestMark?
        do throws(WireError) {
            let limits = ingest.policy.limits.wire
            (decoded, mark) = try ingest.pool.withContext(reading: request.body.count) { context throws(WireError) in
                let isPacked = try decode(request, limits, arrivalTime: ingest.now(), context)
                let mark = key.map { key in
                    let body = IdempotencyKey.body(of: "\(name) \(request.head.parameter("precision") ?? "")")
                    body.update(isPacked ? context.plain : request.body)
                    return RequestMark(key: key, body: body.current())
                }
                return (context.decoded, mark)
            }
        } catch {
            let reply =
                error.code == .tooLarge ? Reply.undecodable(error) : invalid(error.description, dialect, ingest)
            return responder.reply(ingest.refuse(reply, source: name, tenant: ticket.tenant))
        }
        if decoded.batch.isEmpty, !decoded.refusals.isEmpty {
            // Nothing to store: the whole body is refused.
            let reply = invalid(firstFault(decoded.refusals), dialect, ingest)
            return responder.reply(ingest.refuse(reply, source: name, tenant: ticket.tenant))
        }
        ingest.store(decoded, arrival, mark: mark, ticket: ticket, responder: responder) { receipt, refusals in
            let refused = receipt.refusedPoints
            var reply = refused == 0 ? Reply.noContent : partial(refusals, refused, dialect)
            reply.headers.append(version(ingest))
            reply.tell(receipt)
            return reply
        }
    }

    /// - Returns: whether the body was compressed, and is now in `context.plain`.
    private static func decode(
        _ request: IncomingRequest, _ limits: WireLimits, arrivalTime: Int64, _ context: DecodeContext
    ) throws(WireError) -> Bool {
        let precision = request.head.parameter("precision").flatMap { LinePrecision(name: $0) } ?? .nanoseconds
        let lines = LineContext(precision: precision, arrivalTime: arrivalTime)
        if request.head.header("content-encoding").flatMap({ ContentCoding(header: $0) }) == .gzip {
            context.plain.removeAll(keepingCapacity: true)
            var decompressor = Decompressor(.gzip, limit: limits.decodedBytes)
            try decompressor.feedAll(request.body, into: &context.plain)
            try context.decodeLines(context.plain, lines, limits)
            return true
        }
        try context.decodeLines(request.body, lines, limits)
        return false
    }

    // MARK: Answers

    private static func version(_ ingest: Ingest) -> (name: String, value: String) {
        ("X-Influxdb-Version", "holdfast-\(ingest.policy.settings.version)")
    }

    private static func firstFault(_ refusals: RefusalTally) -> String {
        guard let first = refusals.first.first else { return "unable to parse" }
        return first.line.map { "line \($0): \(first.detail)" } ?? first.detail
    }

    private static func partial(_ refusals: RefusalTally, _ refused: Int, _ dialect: Dialect) -> Reply {
        let message = "partial write: \(firstFault(refusals)) dropped=\(refused)"
        var reply: Reply
        switch dialect {
        case .first: reply = .json(400, Array("{\"error\":\(JSONText.quoted(message))}\n".utf8))
        case .second:
            let code = "{\"code\":\"unprocessable entity\",\"message\":\(JSONText.quoted(message))}\n"
            reply = .json(422, Array(code.utf8))
        }
        reply.headers.append((Reply.refusedPointsHeader, String(refused)))
        return reply
    }

    private static func invalid(_ message: String, _ dialect: Dialect, _ ingest: Ingest) -> Reply {
        var reply: Reply
        switch dialect {
        case .first: reply = .json(400, Array("{\"error\":\(JSONText.quoted(message))}\n".utf8))
        case .second:
            let body = "{\"code\":\"invalid\",\"message\":\(JSONText.quoted(message))}\n"
            reply = .json(400, Array(body.utf8))
        }
        reply.headers.append(version(ingest))
        return reply
    }

    private static func ping(_ head: RequestHead, _ ingest: Ingest) -> Reply {
        var reply = Reply.noContent
        if let verbose = head.parameter("verbose"), !verbose.isEmpty, verbose != "false", verbose != "0" {
            reply = .json(200, Array("{\"version\":\(JSONText.quoted(version(ingest).value))}\n".utf8))
        }
        reply.headers.append(version(ingest))
        return reply
    }

    private static func health(_ ingest: Ingest) -> Reply {
        let text = """
            {"name":"holdfast","message":"ready for writes","status":"pass","version":\
            \(JSONText.quoted(version(ingest).value))}

            """
        return .json(200, Array(text.utf8))
    }

    /// Telegraf's version 1 output creates its database before it writes: it is told that it is there.
    private static func query(_ request: IncomingRequest, _ ingest: Ingest) -> Reply {
        let form = FormEncoding.decode(request.body)
        let statement = request.head.parameter("q") ?? form.first { $0.name == "q" }?.value ?? ""
        guard statement.uppercased().hasPrefix("CREATE DATABASE") else {
            return invalid("the only query answered here is CREATE DATABASE", .first, ingest)
        }
        var reply = Reply.json(200, Array("{\"results\":[{\"statement_id\":0}]}\n".utf8))
        reply.headers.append(version(ingest))
        return reply
    }
}

extension DecodeContext {
    fileprivate func decodeLines(
        _ body: [UInt8], _ lines: LineContext, _ limits: WireLimits
    ) throws(WireError) {
        let failure = body.withUnsafeBytes { body -> WireError? in
            do throws(WireError) {
                try lineProtocol.decode(body, lines, limits: limits, into: &decoded)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }
}
