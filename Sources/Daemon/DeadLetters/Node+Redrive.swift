import Metrics
import WALStore

/// Dead letters that are sent again, on the admin API.
extension Node {
    /// `POST /v1/dead/redrive` with the words as members of an object: sends what the filter lets through again, and
    /// answers `{"redriven_points": 17, "unfit_points": 1, "next": "acme/18"}`; with `next` there is more to be asked for.
    /// With `"dry-run": "true"` nothing is sent: the answer is what it would be.
    func redriveDeadLetters(_ request: IncomingRequest) async -> Reply {
        do throws(LetterRequest.Mistake) {
            let words = try LetterRequest.words(inBody: request.body)
            let wanted = try RedriveRequest(words, now: telemetry.time.wall())
            guard let tenant = onlyTenant(wanted.letters.tenant) else { return .whoseLetters }
            if let refusal = unknown(tenant) { return refusal }
            guard let target = wanted.target else {
                return .problem(400, "to which backend? \"send-to\" must be given where \"backend\" is not")
            }
            var order = RedriveOrder(
                backend: target, requestID: request.head.requestID, peer: request.head.peer.text,
                asked: LetterRequest.asked(request.head, words))
            order.filter = wanted.letters.filter
            order.repair = wanted.repair
            if let mistake = await strangeBackend(wanted.letters) { return mistake }
            let after = wanted.letters.after?.number ?? 0
            return await wanted.isDryRun ? preview(order, tenant, after: after) : redrive(order, tenant, after: after)
        } catch {
            return .problem(400, error.description)
        }
    }

    private func redrive(_ order: RedriveOrder, _ tenant: String, after: Int64) async -> Reply {
        await answer { () async throws(SpoolError) in
            let redrive = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                try await spool.redriveDeadLetters(order, after: after)
            }
            if redrive.points > 0 {
                log.info(
                    "dead letters are sent again",
                    [
                        "tenant": tenant, "backend": order.backend, "redrive.points": String(redrive.points),
                        "redrive.asked": order.asked,
                    ])
            }
            return .redrive(redrive, tenant)
        }
    }

    private func preview(_ order: RedriveOrder, _ tenant: String, after: Int64) async -> Reply {
        await answer { () async throws(SpoolError) in
            let preview = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                try await spool.previewRedrive(order, after: after)
            }
            return .redrive(preview, tenant)
        }
    }
}

extension Reply {
    fileprivate static func redrive(_ redrive: Spool.Redrive, _ tenant: String) -> Reply {
        .json(
            .map([
                "redriven_points": .int(redrive.points), "unfit_points": .int(redrive.unfit),
                "next": redrive.next.map { .string("\(LetterID(tenant: tenant, number: $0))") },
            ]))
    }
}
