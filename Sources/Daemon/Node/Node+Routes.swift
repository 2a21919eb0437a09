import Forwarder
import Metrics
import WALStore

/// What the node answers about itself: a little on the ingest port, everything on the admin one.
extension Node {
    /// On the ingest port, for load balancers and for whoever may write.
    var publicRoutes: [Route] {
        [
            Route(["GET"], "/-/healthy") { _, responder in responder.reply(.text(200, "ok\n")) },
            Route(["GET"], "/-/ready") { [weak self] _, responder in
                guard let self, acceptsRequests else {
                    return responder.reply(.problem(503, "the node is draining", retryAfterSeconds: 5))
                }
                if let fault = store.folderFault() {
                    return responder.reply(.problem(503, fault, retryAfterSeconds: 10))
                }
                responder.reply(
                    .ready(
                        tenants: configuration.tenants.count, unusable: store.problems().count,
                        refusing: store.refusals().count, stalled: store.stalls().count))
            },
            Route(["GET"], "/metrics") { [weak self] request, responder in
                guard let self, configuration.isOpen, request.head.peer.isLocal else {
                    return responder.reply(
                        .problem(403, "metrics name tenants here: read /metrics on the admin listener"))
                }
                respond(responder) { node in await node.metrics() }
            },
        ]
    }

    /// On the ingest port: whoever may write as a tenant may read what is shown of it.
    var expositionRoutes: [Route] {
        ExpositionRoutes(ingest) { [weak self] in self?.configuration.exposition($0, of: $1) }.routes
    }

    var adminRoutes: [Route] {
        let preflight = adminPreflight
        func route(_ method: String, _ path: String, _ body: @escaping @Sendable (Node) async -> Reply) -> Route {
            Route([method], path, maximumBodyBytes: 1 << 10, preflight: preflight) { [weak self] _, responder in
                self?.respond(responder, body)
            }
        }
        return [
            route("GET", "/v1/status") { .json(await $0.report().json) },
            route("GET", "/v1/version") { _ in .json(VersionCommand.json) },
            route("GET", "/v1/config") { .json($0.configuration.summary) },
            route("GET", "/metrics") { await $0.metrics() },
            route("POST", "/v1/drain") { node in
                DrainSignal.raise()
                return .json(.map(["draining": true]))
            },
            Route(["POST"], "/v1/reload", maximumBodyBytes: 8 << 10, preflight: preflight) {
                [weak self] request, responder in
                self?.respond(responder) { await $0.reloadReply(request) }
            },
            route("GET", "/v1/backup") { $0.backups.show() },
            route("POST", "/v1/backup/cancel") { $0.backups.cancel() },
            Route(["POST"], "/v1/backup", preflight: preflight) { [weak self] request, responder in
                self?.respond(responder) { $0.backups.start(request.body) }
            },
            Route(["GET"], "/v1/dead", preflight: preflight) { [weak self] request, responder in
                self?.respond(responder) { await $0.deadLetters(request.head) }
            },
            Route(["GET"], "/v1/dead/newest", preflight: preflight) { [weak self] request, responder in
                self?.respond(responder) { await $0.newestDeadLetter(request.head) }
            },
            Route(["GET"], "/v1/dead/assumed", preflight: preflight) { [weak self] request, responder in
                self?.respond(responder) { await $0.assumedDeliveries(request.head) }
            },
            Route(["GET"], "/v1/dead/", isPrefix: true, preflight: preflight) { [weak self] request, responder in
                self?.respond(responder) { await $0.deadLetter(request.head) }
            },
            Route(["POST"], "/v1/dead/purge", preflight: preflight) { [weak self] request, responder in
                self?.respond(responder) { await $0.purgeDeadLetters(request) }
            },
            Route(["POST"], "/v1/dead/redrive", preflight: preflight) { [weak self] request, responder in
                self?.respond(responder) { await $0.redriveDeadLetters(request) }
            },
        ] + replayRoutes(preflight)
    }

    private func replayRoutes(_ preflight: Route.Preflight?) -> [Route] {
        func route(
            _ method: String, _ path: String, isPrefix: Bool = false,
            _ body: @escaping @Sendable (Node, IncomingRequest) async -> Reply
        ) -> Route {
            Route([method], path, isPrefix: isPrefix, preflight: preflight) { [weak self] request, responder in
                self?.respond(responder) { await body($0, request) }
            }
        }
        return [
            route("GET", "/v1/replay") { await $0.replays($1.head) },
            route("GET", "/v1/replay/", isPrefix: true) { await $0.replay($1.head) },
            route("POST", "/v1/replay") { await $0.startReplay($1) },
            route("POST", "/v1/replay/preview") { await $0.previewReplay($1) },
            route("POST", "/v1/replay/pause") { await $0.setReplay($1, to: .paused) },
            route("POST", "/v1/replay/resume") { await $0.setReplay($1, to: .running) },
            route("POST", "/v1/replay/cancel") { await $0.setReplay($1, to: .cancelled) },
        ]
    }

    /// Over a Unix socket the file's mode is the access rule; over TCP it is the token.
    private var adminPreflight: Route.Preflight {
        let token = configuration.server.adminToken.map { Array($0.reveal.utf8) }
        let isSocket = if case .unix = configuration.adminAddress { true } else { false }
        return { head in
            if isSocket && token == nil { return .admitted(nil) }
            guard let token, case .token(let shown) = Credential(of: head),
                AccessTable.isEqual(Array(shown.utf8), token)
            else { return .refused(.denied(.unknown("the admin token is needed, as a bearer token"))) }
            return .admitted(nil)
        }
    }

    /// Answers from a task: handlers may not wait.
    private func respond(_ responder: Responder, _ body: @escaping @Sendable (Node) async -> Reply) {
        Task { responder.reply(await body(self)) }
    }

    /// `POST /v1/reload`, with `{"config": "/whole/path"}` from who means a certain file.
    private func reloadReply(_ request: IncomingRequest) async -> Reply {
        let meant = (try? JSONValue.parse(request.body))?["config"]?.string
        if let meant, let refusal = configuration.refusal(toReload: meant) { return .problem(409, refusal) }
        do throws(ConfigurationError) {
            let report = try await reload(asked: LetterRequest.asked(request.head, []))
            log.info("the config was reloaded", report.fields)
            return .json(report.json)
        } catch {
            log.error("the config was refused and the old one stays", ["error": error.description])
            return .problem(422, error.description)
        }
    }

    private func metrics() async -> Reply {
        let page = MetricsPage(
            report: await report(), lanes: forwarder.status(), telemetry: telemetry, connections: connections,
            displacedConnections: displacedConnections, heldBytes: ingest.gate.heldBytes, backups: backups.lastGood)
        return Reply(status: 200, body: .bytes(page.render(), contentType: ExpositionWriter.contentType))
    }
}

extension Reply {
    /// One tenant's broken spool must not take the node from the others: it is ready as long as it serves one. Whoever asks
    /// need not be of a tenant, so none is named.
    ///
    /// - Parameters:
    ///   - unusable: tenants whose spool cannot be opened; all their requests are answered with 503.
    ///   - refusing: tenants whose spool has no room for new points, which is answered with 503 too.
    ///   - stalled: tenants whose spool waits for a disk that does not answer, and their requests with it.
    static func ready(tenants: Int, unusable: Int, refusing: Int = 0, stalled: Int = 0) -> Reply {
        guard unusable + refusing + stalled > 0 else { return .text(200, "ready\n") }
        var parts: [String] = []
        if unusable > 0 { parts.append("\(unusable) of \(tenants) spools cannot be opened") }
        if refusing > 0 { parts.append("\(refusing) of \(tenants) spools refuse new points") }
        if stalled > 0 { parts.append("\(stalled) of \(tenants) spools wait for the disk") }
        let words = parts.joined(separator: ", ") + "; `holdfast status` says why"
        guard unusable + refusing + stalled < tenants else { return .problem(503, words, retryAfterSeconds: 10) }
        return .text(200, "ready, but \(words)\n")
    }

    static func json(_ value: JSONValue) -> Reply {
        var bytes: [UInt8] = []
        value.write(into: &bytes)
        bytes.append(UInt8(ascii: "\n"))
        return .json(200, bytes)
    }
}

extension Configuration {
    /// A few operators, short requests.
    var adminListener: HTTPServerSettings {
        var settings = HTTPServerSettings(address: adminAddress)
        settings.threads = 1
        settings.maximumConnections = 64
        settings.maximumConnectionsPerAddress = 64
        settings.maximumBodyBytes = 1 << 20
        settings.answerTimeout = .seconds(60)
        return settings
    }
}
