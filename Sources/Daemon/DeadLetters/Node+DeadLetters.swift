import Metrics
import WALStore

/// Dead letters on the admin API.
extension Node {
    /// `GET /v1/dead?tenant=…&match=…`: `LetterRequest` has the words.
    func deadLetters(_ head: RequestHead) async -> Reply {
        do throws(LetterRequest.Mistake) {
            let request = try LetterRequest(head.query, now: telemetry.time.wall())
            if let refusal = unknown(request.tenant) { return refusal }
            if let mistake = await strangeBackend(request) { return mistake }
            return await answer { () async throws(SpoolError) in .json(try await store.page(request)) }
        } catch {
            return .problem(400, error.description)
        }
    }

    /// `GET /v1/dead/newest?tenant=acme`: `{"tenant": "acme", "newest": "acme/17"}`, without `newest` where there is none. Who
    /// has `until` among the words means nothing that comes later.
    func newestDeadLetter(_ head: RequestHead) async -> Reply {
        do throws(LetterRequest.Mistake) {
            let request = try LetterRequest(head.query, now: telemetry.time.wall())
            guard let tenant = onlyTenant(request.tenant) else { return .whoseLetters }
            if let refusal = unknown(tenant) { return refusal }
            return await answer { () async throws(SpoolError) in
                let newest = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                    try await spool.newestDeadLetter()
                }
                return .json(
                    .map([
                        "tenant": .string(tenant),
                        "newest": newest.map { .string("\(LetterID(tenant: tenant, number: $0))") },
                    ]))
            }
        } catch {
            return .problem(400, error.description)
        }
    }

    /// `GET /v1/dead/assumed?tenant=…&backend=…`: what a backend is assumed to have.
    func assumedDeliveries(_ head: RequestHead) async -> Reply {
        do throws(LetterRequest.Mistake) {
            let request = try LetterRequest(head.query, now: telemetry.time.wall())
            try request.checkAssumed()
            if let refusal = unknown(request.tenant) { return refusal }
            if let mistake = await strangeBackend(request) { return mistake }
            return await answer { () async throws(SpoolError) in .json(try await store.page(request, .assumed)) }
        } catch {
            return .problem(400, error.description)
        }
    }

    /// `GET /v1/dead/acme/17`
    func deadLetter(_ head: RequestHead) async -> Reply {
        guard let id = LetterID(String(head.path.dropFirst("/v1/dead/".count))) else {
            return .problem(404, "a dead letter is named by its tenant and its number, such as /v1/dead/acme/17")
        }
        if let refusal = unknown(id.tenant) { return refusal }
        return await answer { () async throws(SpoolError) in
            guard let letter = try await store.letter(id) else {
                return .problem(404, "there is no dead letter \(id): it may have been ended meanwhile")
            }
            return .json(letter.json(tenant: id.tenant))
        }
    }

    /// `POST /v1/dead/purge` with the words as members of an object: ends what the filter lets through, and answers
    /// `{"purged_points": 17, "next": "acme/18"}`; with `next` there is more to be asked for.
    func purgeDeadLetters(_ request: IncomingRequest) async -> Reply {
        do throws(LetterRequest.Mistake) {
            let words = try LetterRequest.words(inBody: request.body)
            let wanted = try LetterRequest(words, now: telemetry.time.wall())
            guard let tenant = onlyTenant(wanted.tenant) else { return .whoseLetters }
            if let refusal = unknown(tenant) { return refusal }
            if let mistake = await strangeBackend(wanted) { return mistake }
            let asked = LetterRequest.asked(request.head, words)
            return await answer { () async throws(SpoolError) in
                let purge = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                    try await spool.purgeDeadLetters(wanted.filter, after: wanted.after?.number ?? 0, asked: asked)
                }
                if purge.points > 0 {
                    log.warning(
                        "dead letters were purged",
                        ["tenant": tenant, "points.lost": String(purge.points), "purge.asked": asked])
                }
                return .json(
                    .map([
                        "purged_points": .int(purge.points),
                        "next": purge.next.map { .string("\(LetterID(tenant: tenant, number: $0))") },
                    ]))
            }
        } catch {
            return .problem(400, error.description)
        }
    }

    /// The one that is named, or the only one there is.
    func onlyTenant(_ name: String?) -> String? {
        name ?? (configuration.tenants.count == 1 ? configuration.tenants.first?.id : nil)
    }

    func unknown(_ tenant: String?) -> Reply? {
        guard let tenant, !configuration.tenants.contains(where: { $0.id == tenant }) else { return nil }
        return .problem(404, "there is no tenant \"\(tenant)\"")
    }

    /// A mistyped backend has no letters, which would look like good news. Those that have left the config are known by the
    /// spools.
    func strangeBackend(_ request: LetterRequest) async -> Reply? {
        guard request.filter.backend != nil else { return nil }
        var known = configuration.tenants.filter { $0.id == request.tenant ?? $0.id }.flatMap(\.backends)
        if request.strangeBackend(known: known) == nil { return nil }
        if let tenant = request.tenant {
            known += await store.status(tenant)?.backends.map(\.name) ?? []
        } else {
            known += await store.statuses().flatMap { $0.backends.map(\.name) }
        }
        return request.strangeBackend(known: known).map { .problem(400, $0.description) }
    }

    func answer(_ body: () async throws(SpoolError) -> Reply) async -> Reply {
        do throws(SpoolError) { return try await body() } catch {
            return .failure(error, dataDirectory: configuration.dataDirectory)
        }
    }
}

extension Reply {
    /// Why nothing, or no more, was done about letters or replays.
    static func failure(_ error: SpoolError, dataDirectory: String) -> Reply {
        switch error.code {
        case .misuse: .problem(400, error.description)
        case .full:
            .problem(
                503,
                "\(error.description): there is no room to write it down. Free some on the disk of \(dataDirectory), or "
                    + "raise the budget, and ask again", retryAfterSeconds: 5)
        default: .problem(503, error.description, retryAfterSeconds: 5)
        }
    }

    static var whoseLetters: Reply {
        .problem(400, "whose letters? \"tenant\" must be given where there is more than one")
    }
}

extension LetterRequest {
    /// For the event that a change leaves: by whom, and what.
    static func asked(_ head: RequestHead, _ words: [(name: String, value: String)]) -> String {
        let filter = words.filter { !["after", "until", "limit", "tenant"].contains($0.name) }
        return "by \(head.peer.text), request \(head.requestID)"
            + (filter.isEmpty ? "" : ", " + filter.map { "\($0.name) \($0.value)" }.joined(separator: ", "))
    }

    /// The members of an object, all of them strings.
    static func words(inBody body: [UInt8]) throws(Mistake) -> [(name: String, value: String)] {
        let document: JSONValue
        do throws(WireError) { document = try JSONValue.parse(body, depth: 2, values: 100) } catch {
            throw Mistake(description: "the body is no JSON: \(error.message)")
        }
        guard let members = document.object else { throw Mistake(description: "the body must be an object") }
        var words: [(name: String, value: String)] = []
        for member in members {
            guard let value = member.value.string else {
                throw Mistake(description: "\"\(member.key)\" must be a string")
            }
            words.append((member.key, value))
        }
        return words
    }
}
