import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// The power goes off at any call, again and again; what was promised is there (P1, P2, P3; rules 1-4, 8, 12).
struct PowerCutTests {
    private static let seeds = Effort.count("HOLDFAST_POWER_CUT_SEEDS", default: 1500)
    private static let steps = 24
    private static let base = TestSeed.first

    @Test func `whenever the power goes off, what was acknowledged is there whole, once`() async {
        let began = ContinuousClock.now
        let count = TestSeed.fixed == nil ? PowerCutTests.seeds : 1
        let tally = await SeedLanes.run(from: PowerCutTests.base, count: count) { await PowerCutTests.run($0).0 }
        print(
            "power cuts: \(count) seeds from \(PowerCutTests.base), \(tally.calls) calls, \(tally.powerCuts) cuts, "
                + "\(tally.writesAtRisk) unsynced writes met, \(tally.kills) kills, \(tally.repackedRows) rows merged, "
                + "\(ContinuousClock.now - began)")
        #expect(count < 100 || tally.powerCuts >= count, "a run without a cut tries nothing")
        #expect(count < 100 || tally.repackedRows > 0, "no repack was tried")
    }

    private static func run(_ seed: UInt64, endsLetters: Bool = false) async -> (DiskTally, CrashRun?) {
        var run: CrashRun?
        do {
            run = try await CrashRun(seed: seed, endsLetters: endsLetters, keepsChain: seed % 4 == 0)
            try await run?.run(steps: steps)
        } catch {
            Issue.record("seed \(seed): \(error)\n\(run?.report ?? "")")
        }
        var tally = run?.disk.tally ?? DiskTally()
        tally.repackedRows = run?.repackedRows ?? 0
        return (tally, run)
    }

    @Test func `dead letters are there, lost or sent again, once each, wherever a purge or a re-drive is cut off`()
        async
    {
        let began = ContinuousClock.now
        let count = TestSeed.fixed == nil ? max(1, PowerCutTests.seeds / 50) : 1
        let ended = Mutex<(purged: Int64, redriven: Int64)>((0, 0))
        let tally = await SeedLanes.run(from: PowerCutTests.base, count: count) { seed in
            let (tally, run) = await PowerCutTests.run(seed, endsLetters: true)
            ended.withLock { ended in
                ended.purged += run?.purgedPoints ?? 0
                ended.redriven += run?.redrivenPoints ?? 0
            }
            return tally
        }
        let (purged, redriven) = ended.withLock { $0 }
        print(
            "dead letters: \(count) seeds from \(PowerCutTests.base), \(purged) purged, \(redriven) sent again, "
                + "\(tally.powerCuts) cuts, \(ContinuousClock.now - began)")
        #expect(count < 20 || min(purged, redriven) > count && tally.powerCuts >= count, "too little was tried")
    }

    /// Seeds that found something once; what they found has tests of its own too.
    @Test(
        arguments: [
            // A commit after a crash shared a sector with the last acknowledged one.
            6_452_334_040_662_474_804, 6_452_334_040_662_474_844,
            // A spool that could not tell its last status was taken for open, and kept its place for ever.
            4_704_130_758_321_045_835, 4_704_130_758_321_045_974,
        ] as [UInt64])
    func `a seed that found something is found well`(_ seed: UInt64) async { _ = await PowerCutTests.run(seed) }

    // MARK: The oracle itself

    /// Runs until one finds the lie out.
    private func findsOut(_ lie: DiskLie?, _ durability: Durability = .full) async -> Bool {
        for seed in UInt64(1)...200 {
            do {
                var run = try await CrashRun(seed: seed, lie: lie, durability: durability)
                try await run.run(steps: PowerCutTests.steps)
            } catch is Violation {
                return true
            } catch {
                continue
            }
        }
        return false
    }

    @Test func `a disk that only says it has synced is found out`() async {
        #expect(await findsOut(.syncs))
    }

    @Test func `a store that answers before the sync is found out`() async {
        #expect(await findsOut(nil, .normal))
    }

    @Test func `a disk whose writes spoil the bytes beside them, against its word, is found out`() async {
        #expect(await findsOut(.powersafeOverwrite))
    }
}
