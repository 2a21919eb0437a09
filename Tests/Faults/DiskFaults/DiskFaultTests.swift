import TestSupport
import Testing

@testable import WALStore

/// The 1st, 2nd, ... n-th call of each part of a store's life fails, until that part gets through without meeting the
/// fault (P1, P2; rules 3, 19).
struct DiskFaultTests {
    struct Plan: Sendable, CustomTestStringConvertible {
        var kind: DiskFault.Kind
        /// nil: all that the kind applies to.
        var calls: Set<DiskCall.Kind>?
        /// Calls in a row that fail.
        var count = 1
        /// Every so many-th call is tried; with more than one seed each.
        var stride = 1

        var testDescription: String { "\(kind) of \(calls?.map(\.rawValue).sorted() ?? ["all"]), \(count) in a row" }
    }

    static let plans = [
        Plan(kind: .inputOutput, calls: DiskCall.changes, stride: 2),
        Plan(kind: .full, stride: 4),
        Plan(kind: .full, count: 12, stride: 8),
        Plan(kind: .shortWrite, stride: 4),
        Plan(kind: .syncDropsPages),
        Plan(kind: .syncKeepsPages),
        Plan(kind: .inputOutput, calls: [.read], stride: 2),
        Plan(kind: .shortRead, stride: 4),
    ]

    private static let seeds = Effort.count("HOLDFAST_DISK_FAULT_SEEDS", default: 1)

    @Test(arguments: plans, DiskFaultPhase.allCases)
    func `whichever call fails, nothing acknowledged is lost and the node goes on`(
        _ plan: Plan, _ phase: DiskFaultPhase
    ) async {
        let began = ContinuousClock.now
        var runs = 0
        var failed = 0
        for seed in 0..<UInt64(DiskFaultTests.seeds) {
            for first in stride(from: 1, to: .max, by: DiskFaultTests.seeds > 1 ? 1 : plan.stride) {
                let fault = DiskFault(plan.kind, atCall: first, count: plan.count, calls: plan.calls)
                let (disk, hasMet) = await DiskFaultTests.run(TestSeed.first + seed, phase, fault)
                runs += 1
                failed += disk?.tally.faults.values.reduce(0, +) ?? 0
                guard hasMet else { break }
            }
        }
        print(
            "disk faults: \(phase), \(plan.testDescription): \(runs) runs, \(failed) failed calls, "
                + "\(ContinuousClock.now - began)")
    }

    @Test func `each part of a life does what it is named for`() async throws {
        var run = try await CrashRun(seed: TestSeed.first)
        let database = "/data/tenants/\(CrashRun.tenants[0])/spool.db"
        for phase in DiskFaultPhase.allCases {
            try await run.prepare(phase)
            let before = run.disk.content(database)?.count ?? 0
            let merged = run.store.repacked.rows
            run.disk.startTrace()
            try await run.work(phase)
            let trace = run.disk.takeTrace()
            let after = run.disk.content(database)?.count ?? 0
            let writes = Set(trace.filter { $0.kind == .write }.map(\.path))
            switch phase {
            case .create: #expect(before == 0 && after > 0)
            case .commit, .settle, .prune: #expect(writes.contains(database + "-wal"), "\(phase)")
            case .repack: #expect(run.store.repacked.rows > merged)
            case .checkpoint, .recovery: #expect(writes.contains(database), "\(phase)")
            case .vacuum: #expect(after < before, "\(after) bytes of \(before)")
            case .close: #expect(trace.contains { $0.kind == .remove && $0.path == database + "-wal" })
            case .powerCut: #expect(trace.contains { $0.kind == .read && $0.path == database + "-wal" })
            }
        }
        await run.store.close()
    }

    /// - Returns: the disk, and whether a call of the phase met the fault.
    private static func run(_ seed: UInt64, _ phase: DiskFaultPhase, _ fault: DiskFault) async -> (SimulatedDisk?, Bool)
    {
        var run: CrashRun
        do { run = try await CrashRun(seed: seed, keepsChain: fault.first / 2 % 2 == 0) } catch {
            Issue.record("seed \(seed): \(error)")
            return (nil, false)
        }
        do { try await run.run(phase, meeting: fault) } catch {
            let report = run.report
            Issue.record("seed \(seed), \(phase), \(fault.kind) of call \(fault.first): \(error)\n\(report)")
            return (run.disk, run.metFault || run.disk.hasMetFault)
        }
        return (run.disk, run.metFault)
    }
}
