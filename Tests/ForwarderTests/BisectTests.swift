import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// Drives `Bisect` against a backend that refuses a request whole when it holds a bad point.
struct BisectTests {
    let reason = DeadLetterReason(code: "refused", excerpt: "no", status: 400)

    private func pieces(_ sizes: [Int], maybeSent: Set<Int> = []) -> [LeasedPiece] {
        sizes.enumerated().map { index, size in
            LeasedPiece(
                places: PlaceRange(sequence: Int64(index + 1), ordinals: 0..<size), batch: Batch(), ordinals: 0..<size,
                maybeSent: maybeSent.contains(index))
        }
    }

    private struct Outcome {
        var fates: [Int: Fate] = [:]
        /// In the order in which they were delivered, as numbers counted over all pieces.
        var delivered: [Int] = []
        var requests = 0
    }

    /// - Parameter bad: points the backend refuses, counted over all pieces.
    private func run(
        _ sizes: [Int], bad: Set<Int>, maybeSent: Set<Int> = [], isUncertain: Bool = false, alreadyThere: Bool = false
    ) -> Outcome {
        let pieces = pieces(sizes, maybeSent: maybeSent)
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        var bisect = Bisect(pieces, maximumPoints: 10_000, isUncertain: isUncertain)
        var outcome = Outcome()
        while let part = bisect.next() {
            outcome.requests += 1
            let numbers = part.runs.flatMap { run in run.ordinals.map { starts[run.piece] + $0 } }
            let settled: [Settlement.Part]
            if numbers.contains(where: bad.contains) {
                settled = bisect.refused(part, reason, meansAlreadyThere: alreadyThere)
            } else {
                settled = bisect.delivered(part)
                outcome.delivered += numbers
            }
            for part in settled {
                for ordinal in part.run.ordinals {
                    let number = starts[part.run.piece] + ordinal
                    #expect(outcome.fates[number] == nil, "a point is settled once")
                    outcome.fates[number] = part.fate
                }
            }
        }
        #expect(bisect.isDone)
        return outcome
    }

    @Test func `exactly the bad points are dead, the others are delivered in order, within k log n requests`() {
        var random = SeededGenerator.fresh()
        for _ in 0..<200 {
            let sizes = (0..<Int.random(in: 1...6, using: &random)).map { _ in Int.random(in: 0...400, using: &random) }
            let total = sizes.reduce(0, +)
            guard total > 0 else { continue }
            let bad = Set(
                (0..<Int.random(in: 0...5, using: &random)).map { _ in Int.random(in: 0..<total, using: &random) })
            let outcome = run(sizes, bad: bad)
            let dead = outcome.fates.filter { $0.value == .dead(reason) }.keys
            #expect(Set(dead) == bad, "seed \(random.seed)")
            #expect(outcome.delivered == (0..<total).filter { !bad.contains($0) }, "seed \(random.seed)")
            // Each bad point costs at most two requests a level.
            let levels = total.bitWidth - (total - 1).leadingZeroBitCount
            #expect(outcome.requests <= 1 + 2 * levels * bad.count, "seed \(random.seed)")
        }
    }

    @Test func `every point bad is every point dead`() {
        let outcome = run([7, 9], bad: Set(0..<16))
        #expect(outcome.fates.values.allSatisfy { $0 == .dead(reason) })
        #expect(outcome.fates.count == 16)
    }

    @Test func `already there settles as assumed only for points that may have been sent`() {
        let outcome = run([4, 4], bad: [1, 6], maybeSent: [0], alreadyThere: true)
        #expect(outcome.fates[1] == .assumed)
        #expect(outcome.fates[6] == .dead(reason))
        #expect(outcome.delivered == [0, 2, 3, 4, 5, 7])
    }

    @Test func `after an attempt without an answer only what is refused as there is assumed, the rest is sent`() {
        let outcome = run([8], bad: [3], isUncertain: true, alreadyThere: true)
        #expect(outcome.fates[3] == .assumed)
        #expect(outcome.delivered == [0, 1, 2, 4, 5, 6, 7])
    }

    @Test func `any other refusal buries, also after an attempt without an answer`() {
        let outcome = run([8], bad: [3], maybeSent: [0], isUncertain: true, alreadyThere: false)
        #expect(outcome.fates[3] == .dead(reason))
    }

    @Test func `a single point that is too large is dead as that`() {
        var bisect = Bisect(pieces([2]), maximumPoints: 10)
        var fates: [Fate] = []
        while let part = bisect.next() { fates += bisect.tooLarge(part, status: 413, excerpt: "big").map(\.fate) }
        #expect(
            fates == Array(repeating: .dead(DeadLetterReason(code: "too_large", excerpt: "big", status: 413)), count: 2)
        )
    }

    @Test func `items named keep their verdicts and only the deferred ones go again, in order`() throws {
        var bisect = Bisect(pieces([5, 5]), maximumPoints: 100)
        let first = bisect.next()
        let part = try #require(first)
        let settled = bisect.partly(
            part,
            [
                ItemOutcome(runs: [LeasedRun(piece: 1, ordinals: 3..<4)], verdict: .retry(reason: "busy")),
                ItemOutcome(runs: [LeasedRun(piece: 0, ordinals: 1..<2)], verdict: .dead(reason)),
                ItemOutcome(runs: [LeasedRun(piece: 0, ordinals: 4..<5)], verdict: .retry(reason: "busy")),
                ItemOutcome(runs: [LeasedRun(piece: 1, ordinals: 0..<1)], verdict: .alreadyThere),
            ])
        func points(_ fate: Fate) -> [LeasedRun] { settled.filter { $0.fate == fate }.map(\.run) }
        #expect(points(.dead(reason)) == [LeasedRun(piece: 0, ordinals: 1..<2)])
        #expect(points(.assumed) == [LeasedRun(piece: 1, ordinals: 0..<1)])
        #expect(points(.delivered).points == 6)
        let second = bisect.next()
        let again = try #require(second)
        #expect(again.runs == [LeasedRun(piece: 0, ordinals: 4..<5), LeasedRun(piece: 1, ordinals: 3..<4)])
        #expect(bisect.isDone)
    }

    // MARK: Stuck

    /// - Returns: the fates and whether the probe ended for want of proof.
    private func probe(_ size: Int, stuck: Set<Int>, isDown: Bool = false) -> (fates: [Int: Fate], gaveUp: Bool) {
        var bisect = Bisect(pieces([size]), maximumPoints: 10_000)
        bisect.beginProbe()
        var fates: [Int: Fate] = [:]
        let reason = DeadLetterReason(code: "stuck", excerpt: "", status: 500)
        while !bisect.needsProof, let part = bisect.next() {
            let numbers = part.runs.flatMap(\.ordinals)
            let fails = isDown || numbers.contains(where: stuck.contains)
            for settled in fails ? bisect.stuck(part, reason) : bisect.delivered(part) {
                for ordinal in settled.run.ordinals { fates[ordinal] = settled.fate }
            }
        }
        return (fates, bisect.needsProof)
    }

    @Test(arguments: [[0], [99], [0, 1, 2], [50, 51], Array(90..<100)])
    func `points that are answered 500 for ever are dead once others are taken`(_ stuck: [Int]) {
        let (fates, gaveUp) = probe(100, stuck: Set(stuck))
        #expect(!gaveUp)
        #expect(fates.count == 100)
        #expect(Set(fates.filter { $0.value != .delivered }.keys) == Set(stuck))
    }

    @Test(arguments: [1, 2, 7, 1000])
    func `while everything is answered 500 nothing is buried`(_ size: Int) {
        let (fates, gaveUp) = probe(size, stuck: [], isDown: true)
        #expect(gaveUp)
        #expect(fates.isEmpty)
    }

    @Test func `a request with other points decides over a lease of nothing but stuck ones`() {
        var bisect = Bisect(pieces([20]), maximumPoints: 100)
        bisect.beginProbe()
        let reason = DeadLetterReason(code: "stuck", excerpt: "", status: 500)
        while !bisect.needsProof, let part = bisect.next() { #expect(bisect.stuck(part, reason).isEmpty) }
        #expect(bisect.remainder.points == 20)
        bisect.proveBackend()
        var dead = 0
        while let part = bisect.next() { dead += bisect.stuck(part, reason).map(\.run).points }
        #expect(dead == 20)
    }
}
