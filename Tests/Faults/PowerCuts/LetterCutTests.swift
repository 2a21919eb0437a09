import TestSupport
import Testing

@testable import WALStore

/// The power goes off at the 1st, 2nd, ... n-th change of the disk that ends dead letters (P1, P2).
struct LetterCutTests {
    private static let tenant = CrashRun.tenants[0]

    @Test(arguments: [false, true])
    func `a transaction that ends letters is there whole or not at all, whichever call the power goes off at`(
        _ isPurge: Bool
    ) async throws {
        for call in 1...1000 {
            var run = try await CrashRun(seed: TestSeed.first, endsLetters: true)
            do {
                let letters = try await run.bury(Self.tenant)
                run.disk.cutPower(atCall: call, of: DiskCall.changes)
                do {
                    if isPurge { try await run.purge(Self.tenant) } else { try await run.redrive(Self.tenant) }
                } catch let error as SpoolError {
                    guard run.disk.isOff else { throw error }
                }
                let isCut = run.disk.isOff
                await run.restart(.powerCut)
                try await run.start()
                let left = run.models[Self.tenant]?.backends["a"]?.settled.count { $0 == Standing.dead.rawValue } ?? 0
                #expect(left == 0 || isCut && left == letters, "call \(call)")
                try await run.drain()
                guard isCut else {
                    #expect(call > 3, "it makes fewer changes than a commit does")
                    return
                }
            } catch {
                Issue.record("call \(call): \(error)\n\(run.report)")
                await run.store.abandon()
                return
            }
        }
        Issue.record("it never ends")
    }
}

extension CrashRun {
    /// Requests that the first backend refuses, some hundred points; the only one that the tenant has from then on.
    ///
    /// - Returns: letters that there are.
    fileprivate mutating func bury(_ tenant: String) async throws -> Int {
        models[tenant]?.configure(["a"])
        try await configure()
        while models[tenant]?.nextValue ?? 0 < 100 { try await append(tenant) }
        let reason = DeadLetterReason(code: "refused", excerpt: "no", status: 400)
        while try await lease(tenant, "a", 100) {
            if leases[0].numbers.joined().first == 0 {
                try await settle(0, all: .dead(reason))
            } else {
                try await settle(0, all: .delivered)
            }
        }
        return models[tenant]?.backends["a"]?.settled.count { $0 == Standing.dead.rawValue } ?? 0
    }
}
