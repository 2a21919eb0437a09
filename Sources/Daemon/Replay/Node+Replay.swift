import Forwarder
import Metrics
import WALStore

/// Replays on the admin API.
extension Node {
    /// `POST /v1/replay` with `ReplayRequest`'s words as members of an object: begins a job, and answers it.
    func startReplay(_ request: IncomingRequest) async -> Reply {
        do throws(LetterRequest.Mistake) {
            let words = try LetterRequest.words(inBody: request.body)
            let wanted = try ReplayRequest(words, now: telemetry.time.wall())
            guard let tenant = onlyTenant(wanted.tenant) else { return .whoseReplay }
            if let refusal = unknown(tenant) { return refusal }
            let asked = LetterRequest.asked(request.head, words)
            return await answer { () async throws(SpoolError) in
                let job = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                    try await spool.startReplay(wanted.order(asked: asked))
                }
                log.info(
                    "a replay begins",
                    [
                        "tenant": tenant, "backend": job.backend, "replay.id": String(job.id),
                        "replay.asked": asked,
                    ])
                await forwarder.followReplays(tenant: tenant)
                return .json(job.json(tenant: tenant, forwarder.replayStatus(tenant: tenant)[job.id]))
            }
        } catch {
            return .problem(400, error.description)
        }
    }

    /// `GET /v1/replay?tenant=…`: `{"replays": […], "next": "acme"}`; with `next` there are more tenants, to be asked for
    /// with `after`. Without a tenant it looks into every spool, for two seconds at most.
    func replays(_ head: RequestHead) async -> Reply {
        var (only, after): (String?, String) = (nil, "")
        for (name, value) in head.query {
            switch name {
            case "tenant": only = value
            case "after": after = value
            default: return .problem(400, "\"\(name)\" is not known: tenant, after")
            }
        }
        if let refusal = unknown(only) { return refusal }
        let tenants = only.map { [$0] } ?? configuration.tenants.map(\.id).sorted().filter { $0 > after }
        let (deadline, wanted) = (ContinuousClock.now + .seconds(2), tenants)
        return await answer { () async throws(SpoolError) in
            var found: [JSONValue] = []
            for (index, tenant) in wanted.enumerated() {
                let lanes = forwarder.replayStatus(tenant: tenant)
                found += try await jobs(of: tenant).map { $0.json(tenant: tenant, lanes[$0.id]) }
                if index + 1 < wanted.count, ContinuousClock.now > deadline {
                    return .json(.map(["replays": .array(found), "next": .string(tenant)]))
                }
            }
            return .json(.map(["replays": .array(found)]))
        }
    }

    private func jobs(of tenant: String) async throws(SpoolError) -> [ReplayJob] {
        try await store.withSpool(tenant) { (spool) async throws(SpoolError) in try await spool.replayJobs() }
    }

    /// `GET /v1/replay/acme/3`: a job, with `refusals`.
    func replay(_ head: RequestHead) async -> Reply {
        guard let id = LetterID(String(head.path.dropFirst("/v1/replay/".count))) else {
            return .problem(404, "a replay is named by its tenant and its number, such as /v1/replay/acme/3")
        }
        if let refusal = unknown(id.tenant) { return refusal }
        return await answer { () async throws(SpoolError) in
            guard let job = try await jobs(of: id.tenant).first(where: { $0.id == id.number }) else {
                return .problem(404, "there is no replay \(id)")
            }
            let refusals = try await store.withSpool(id.tenant) { (spool) async throws(SpoolError) in
                try await spool.replayRefusals(id.number)
            }
            let lane = forwarder.replayStatus(tenant: id.tenant)[id.number]
            guard case .object(let members) = job.json(tenant: id.tenant, lane) else { return .json(.null) }
            return .json(.object(members + [JSONValue.Member("refusals", .array(refusals.map(\.json)))]))
        }
    }

    /// `POST /v1/replay/pause`, `resume` and `cancel` with `{"id": "acme/3"}`: answers the job.
    func setReplay(_ request: IncomingRequest, to state: ReplayJob.State) async -> Reply {
        do throws(LetterRequest.Mistake) {
            let words = try LetterRequest.words(inBody: request.body)
            guard words.count == 1, words[0].name == "id", let id = LetterID(words[0].value) else {
                return .problem(400, "the body must be {\"id\": \"acme/3\"}: which replay")
            }
            if let refusal = unknown(id.tenant) { return refusal }
            let asked = LetterRequest.asked(request.head, [])
            return await answer { () async throws(SpoolError) in
                let job = try await store.withSpool(id.tenant) { (spool) async throws(SpoolError) in
                    try await spool.setReplay(id.number, to: state, asked: asked)
                }
                log.info(
                    "a replay was changed",
                    ["tenant": id.tenant, "replay.id": String(id.number), "replay.state": job.state.rawValue])
                await forwarder.followReplays(tenant: id.tenant)
                return .json(job.json(tenant: id.tenant, forwarder.replayStatus(tenant: id.tenant)[job.id]))
            }
        } catch {
            return .problem(400, error.description)
        }
    }

    /// `POST /v1/replay/preview` with `ReplayRequest`'s words: what a job would send; nothing is begun.
    func previewReplay(_ request: IncomingRequest) async -> Reply {
        do throws(LetterRequest.Mistake) {
            let wanted = try ReplayRequest(
                try LetterRequest.words(inBody: request.body), now: telemetry.time.wall())
            guard let tenant = onlyTenant(wanted.tenant) else { return .whoseReplay }
            if let refusal = unknown(tenant) { return refusal }
            guard let route = configuration.routes.first(where: { $0.tenant == tenant && $0.name == wanted.backend })
            else { return .problem(400, "tenant \(tenant) has no backend \"\(wanted.backend)\"") }
            var tally = ReplayTally(route)
            return await answer { () async throws(SpoolError) in
                try await tally.look(at: wanted.order(asked: "a dry run"), in: store, seconds: 30)
                return .json(tally.json)
            }
        } catch {
            return .problem(400, error.description)
        }
    }
}

extension Reply {
    fileprivate static let whoseReplay = problem(
        400, "whose points? \"tenant\" must be given where there is more than one")
}
