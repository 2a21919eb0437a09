@testable import WALStore

extension CrashRun {
    /// Sends dead letters of one backend to one again, in one transaction; a cut may come between any two calls.
    mutating func redrive(_ tenant: String) async throws {
        guard let source = models[tenant]?.backends.keys.sorted().randomElement(using: &random),
            let target = models[tenant]?.attached.sorted().randomElement(using: &random),
            let index = models[tenant]?.newRedrive(from: source, to: target),
            let id = models[tenant]?.requests[index].id
        else { return }
        note("redrive \(tenant) \(source) to \(target), \(id)")
        var order = RedriveOrder(backend: target, requestID: id, peer: "admin", asked: "by a test")
        order.filter.backend = source
        let wanted = order
        let redrive = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
            try await spool.redriveDeadLetters(wanted, nanoseconds: 0)
        }
        models[tenant]?.requests[index].redrive?.points = redrive.points
        redrivenPoints += redrive.points
        // Which letters they were is in the file.
        try await check(tenant)
    }
}
