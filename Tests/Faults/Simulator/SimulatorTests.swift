import Foundation
import TestSupport
import Testing
import WALStore

/// The whole path, run from one seed: see docs/testing.md.
@Suite struct SimulatorTests {
    /// `HOLDFAST_SIM_SEED=n` runs that seed alone and prints all that happens in it; `HOLDFAST_SIM_SEEDS=n` runs so many.
    private static let replayed = ProcessInfo.processInfo.environment["HOLDFAST_SIM_SEED"].flatMap { UInt64($0) }

    /// Each found something once. 44: an audit of a file that went on for another one. 277: a delivery that was of a file
    /// which had been set aside ended a lease of its successor. 343: refused points kept stuck ones from being found out.
    private static let kept: [UInt64] = [277, 343]

    @Test func `whatever happens to a node, nothing acknowledged is lost and everything drains`() async {
        if let seed = SimulatorTests.replayed { return await replay(seed) }
        var summary = SimulationSummary()
        let seeds = SimulatorTests.kept + Array(1...UInt64(Effort.count("HOLDFAST_SIM_SEEDS", default: 60)))
        // Two at a time: each is a thread of its own and knows nothing of the other.
        await withTaskGroup(of: Simulation.Outcome.self) { group in
            func add(_ outcome: Simulation.Outcome) {
                summary.add(outcome)
                if let fault = outcome.fault { Issue.record("HOLDFAST_SIM_SEED=\(outcome.seed): \(fault)") }
            }
            for (index, seed) in seeds.enumerated() {
                if index > 1, let outcome = await group.next() { add(outcome) }
                group.addTask { await Simulation.run(seed: seed) }
            }
            for await outcome in group { add(outcome) }
        }
        print(summary.text)
        let missing = summary.missing
        #expect(missing == [], "the seeds do not reach what they are for")
    }

    private func replay(_ seed: UInt64) async {
        let outcome = await Simulation.run(seed: seed, options: Simulation.Options(traces: true))
        for line in outcome.trace { print(line) }
        #expect(outcome.fault == nil)
    }

    @Test(.enabled(if: replayed == nil), arguments: [1, 17, 40] as [UInt64])
    func `the same seed is the same run, to the last decision`(_ seed: UInt64) async {
        let first = await Simulation.run(seed: seed)
        let second = await Simulation.run(seed: seed)
        #expect(first.hash == second.hash)
        #expect(first.jobs == second.jobs && first.counts == second.counts)
        #expect(first.simulatedSeconds == second.simulatedSeconds)
    }

    @Test(.enabled(if: replayed == nil)) func `different seeds are different runs`() async {
        let hashes = await [Simulation.run(seed: 2).hash, Simulation.run(seed: 3).hash]
        #expect(hashes[0] != hashes[1])
    }

    /// Whoever watches must be watched: a node that answers first and syncs later is wrong, and has to be found out.
    @Test(.enabled(if: replayed == nil)) func `a node that acknowledges before it syncs is found out`() async {
        var found: [String] = []
        for seed in 1...12 as ClosedRange<UInt64> where found.isEmpty {
            let outcome = await Simulation.run(seed: seed, options: Simulation.Options(durability: .normal))
            if let fault = outcome.fault { found.append(fault) }
        }
        #expect(!found.isEmpty)
    }
}
