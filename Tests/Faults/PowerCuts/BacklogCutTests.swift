import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// The power goes off while a backlog is set apart, and around it (P2, P3).
struct BacklogCutTests {
    private static let tenant = CrashRun.tenants[0]

    @Test func `a backlog is set apart whole or not at all, whichever call the power goes off at`() async {
        for call in 1...1000 {
            var run: CrashRun?
            do {
                run = try await CrashRun(seed: TestSeed.first, goesAhead: true)
                try await run?.waitLong(BacklogCutTests.tenant)
                run?.disk.cutPower(atCall: call, of: DiskCall.changes)
                do {
                    _ = try await run?.lease(BacklogCutTests.tenant, "a", 20)
                } catch let error as SpoolError {
                    guard run?.disk.isOff == true else { throw error }
                }
                guard let isCut = run?.disk.isOff else { return }
                await run?.restart(.powerCut)
                // Checks what the file says against what everybody was told.
                try await run?.start()
                try await run?.drain()
                guard isCut else {
                    #expect(call > 3, "it makes fewer changes than a commit does")
                    return
                }
            } catch {
                Issue.record("call \(call): \(error)\n\(run?.report ?? "")")
                await run?.store.abandon()
                return
            }
        }
        Issue.record("it never ends")
    }

    @Test func `with fresh points ahead of a backlog what was acknowledged is there whole, once, through power cuts`()
        async
    {
        let count = TestSeed.fixed == nil ? max(1, Effort.count("HOLDFAST_POWER_CUT_SEEDS", default: 1500) / 20) : 1
        let ahead = Mutex(0)
        let tally = await SeedLanes.run(from: TestSeed.first, count: count) { seed in
            var run: CrashRun?
            do {
                run = try await CrashRun(seed: seed, goesAhead: true)
                try await run?.run(steps: 24)
            } catch {
                Issue.record("seed \(seed): \(error)\n\(run?.report ?? "")")
            }
            let leases = run?.aheadLeases ?? 0
            ahead.withLock { $0 += leases }
            return run?.disk.tally ?? DiskTally()
        }
        let leases = ahead.withLock { $0 }
        print("fresh first: \(count) seeds from \(TestSeed.first), \(leases) leases ahead, \(tally.powerCuts) cuts")
        #expect(count < 20 || leases > count && tally.powerCuts >= count, "too little was tried")
    }
}

extension CrashRun {
    /// Some hundred points of which some in the middle are settled, and that have waited.
    fileprivate mutating func waitLong(_ tenant: String) async throws {
        models[tenant]?.configure(["a"])
        try await configure()
        while models[tenant]?.nextValue ?? 0 < 100 { try await append(tenant) }
        _ = try await lease(tenant, "a", 20)
        if try await lease(tenant, "a", 20) { try await settle(1, all: .delivered) }
        try await release()
        clock.advance(seconds: 100)
        try await append(tenant)
    }
}
