@testable import WALStore

extension CrashRun {
    /// Ends the dead letters of one backend, in a transaction or more; a cut may come between any two calls.
    mutating func purge(_ tenant: String) async throws {
        guard let name = models[tenant]?.backends.keys.sorted().randomElement(using: &random) else { return }
        note("purge \(tenant) \(name)")
        let known = models[tenant]?.backends[name]?.askPurge() ?? 0
        var filter = DeadLetterFilter()
        filter.backend = name
        let wanted = filter
        var next: Int64? = 0
        var points: Int64 = 0
        while let after = next {
            let purge = try await store.withSpool(tenant) { (spool) async throws(SpoolError) in
                try await spool.purgeDeadLetters(wanted, after: after, asked: "by a test")
            }
            points += purge.points
            next = purge.next
        }
        purgedPoints += points
        guard points >= known else { throw Violation("\(points) letters of \(name) were purged, \(known) were there") }
        models[tenant]?.backends[name]?.wasPurged()
    }
}

extension TenantModel.Backend {
    /// Whatever is a letter, or may be one, is to be lost.
    ///
    /// - Returns: how many letters there are at least.
    fileprivate mutating func askPurge() -> Int64 {
        let (dead, lost) = (Standing.dead.rawValue, Standing.lost.rawValue)
        var known: Int64 = 0
        for value in settled.indices {
            if settled[value] == dead { known += 1 }
            if settled[value] == dead || settled[value] == 0 && asked[value] & dead != 0 { asked[value] |= lost }
        }
        return known
    }

    /// Success: what was known to be a letter is none any more, for ever.
    fileprivate mutating func wasPurged() {
        for value in settled.indices where settled[value] == Standing.dead.rawValue {
            settled[value] = Standing.lost.rawValue
            asked[value] = 0
        }
    }
}
