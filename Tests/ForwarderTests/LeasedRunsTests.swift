import TestSupport
import Testing
import WALStore

@testable import Forwarder

struct LeasedRunsTests {
    private struct Spot: Hashable {
        var piece: Int
        var ordinal: Int
    }

    private func spots(_ runs: [LeasedRun]) -> [Spot] {
        runs.flatMap { run in run.ordinals.map { Spot(piece: run.piece, ordinal: $0) } }
    }

    @Test func `what is taken away is gone, and the rest keeps its order, whatever overlaps`() {
        var random = SeededGenerator.fresh()
        for _ in 0..<500 {
            func runs(_ count: Int) -> [LeasedRun] {
                (0..<count).map { _ in
                    let start = Int.random(in: 0..<40, using: &random)
                    let length = Int.random(in: 0..<12, using: &random)
                    return LeasedRun(piece: Int.random(in: 0..<3, using: &random), ordinals: start..<start + length)
                }
            }
            let (all, removed) = (runs(8), runs(Int.random(in: 0..<9, using: &random)))
            let gone = Set(spots(removed))
            #expect(spots(all.subtracting(removed)) == spots(all).filter { !gone.contains($0) })
            #expect(all.subtracting(removed).count { $0.ordinals.isEmpty } == all.count { $0.ordinals.isEmpty })
        }
    }

    @Test func `many holes in many runs are no more than many`() {
        let all = (0..<20_000).map { LeasedRun(piece: 0, ordinals: 4 * $0..<4 * $0 + 3) }
        let removed = (0..<20_000).map { LeasedRun(piece: 0, ordinals: 4 * $0 + 1..<4 * $0 + 2) }
        #expect(all.subtracting(removed).count == 40_000)
    }

    @Test func `subtracting and splitting lose and double nothing`() {
        var random = SeededGenerator.fresh()
        for _ in 0..<500 {
            let runs = (0..<3).map { LeasedRun(piece: $0, ordinals: 10..<Int.random(in: 10...30, using: &random)) }
            let removed = (0..<5).map { _ in
                let start = Int.random(in: 5...30, using: &random)
                return LeasedRun(piece: Int.random(in: 0..<3, using: &random), ordinals: start..<start + 4)
            }
            let numbers: ([LeasedRun]) -> [Int] = { $0.flatMap { run in run.ordinals.map { run.piece * 100 + $0 } } }
            let gone = Set(numbers(removed))
            let kept = runs.subtracting(removed)
            #expect(numbers(kept) == numbers(runs).filter { !gone.contains($0) }, "seed \(random.seed)")
            let (first, rest) = kept.split(at: kept.points / 2)
            #expect(first.points == kept.points / 2, "seed \(random.seed)")
            #expect(numbers(first) + numbers(rest) == numbers(kept), "seed \(random.seed)")
        }
    }
}
