import Metrics
import TestSupport
import Testing
import WALStore

@testable import Forwarder

/// What is learned from refusals, held against a backend that refuses a request whole when it holds a bad point.
struct RefusalHintsTests {
    /// A sample of `series`, at a time in seconds.
    private struct Sample {
        var series: Int
        var seconds: Int64
    }

    private func batch(_ samples: [Sample], longValues: Set<Int> = []) throws -> Batch {
        var batch = Batch()
        for sample in samples {
            var builder = LabelBuilder()
            builder.add("__name__", "up")
            builder.add("number", "\(sample.series)")
            if longValues.contains(sample.series) { builder.add("path", String(repeating: "x", count: 3000)) }
            try builder.finish()
            let id = builder.canonical.withUnsafeBytes { batch.series.intern($0) }
            batch.points.appendFloat64(series: id, time: sample.seconds * 1_000_000_000, bits: 0)
        }
        return batch
    }

    private struct Outcome {
        var dead: Set<Int> = []
        /// In the order in which they were taken.
        var delivered: [Int] = []
        var requests = 0
        var hints = RefusalHints()
    }

    /// - Parameter refusal: the backend's words about an ordinal; nil when it takes it.
    private func run(
        _ batch: Batch, hints: RefusalHints = RefusalHints(), refusal: (Int) -> String?
    ) -> Outcome {
        let count = batch.points.count
        let piece = LeasedPiece(
            places: PlaceRange(sequence: 1, ordinals: 0..<count), batch: batch, ordinals: 0..<count, maybeSent: false)
        var bisect = Bisect([piece], maximumPoints: 10_000, hints: hints)
        var outcome = Outcome()
        while let part = bisect.next() {
            outcome.requests += 1
            let ordinals = part.runs.flatMap { Array($0.ordinals) }
            if let words = ordinals.lazy.compactMap(refusal).first {
                let reason = DeadLetterReason(code: "refused", excerpt: words, status: 400)
                for settled in bisect.refused(part, reason, meansAlreadyThere: false) {
                    #expect(outcome.dead.isDisjoint(with: settled.run.ordinals), "a point ends once")
                    outcome.dead.formUnion(settled.run.ordinals)
                }
            } else {
                _ = bisect.delivered(part)
                outcome.delivered += ordinals
            }
        }
        #expect(bisect.isDone)
        outcome.hints = bisect.hints
        return outcome
    }

    private static let old = "out of bounds"

    @Test func `once one point was too old, others cost one request each and not a search each`() throws {
        let first = try batch((0..<1000).map { Sample(series: $0, seconds: $0 == 700 ? 50 : 1000) })
        let learned = run(first) { $0 == 700 ? Self.old : nil }
        #expect(learned.dead == [700])
        let next = try batch((0..<1000).map { Sample(series: $0, seconds: $0 % 100 == 7 ? 40 : 1001) })
        let bad = Set(stride(from: 7, to: 1000, by: 100))
        let blind = run(next) { bad.contains($0) ? Self.old : nil }
        let sifted = run(next, hints: learned.hints) { bad.contains($0) ? Self.old : nil }
        for outcome in [blind, sifted] {
            #expect(outcome.dead == bad && outcome.delivered.count == 990)
        }
        // The others together, and the bad ones halved down to each; else one search before it.
        #expect(sifted.requests == 1 + (2 * bad.count - 1))
        #expect(blind.requests > sifted.requests && blind.requests <= sifted.requests + 20, "\(blind.requests)")
    }

    @Test func `a label that was too long is looked for in every series`() throws {
        let long: Set<Int> = [30, 310, 600, 900]
        let samples = (0..<1000).map { Sample(series: $0, seconds: 1000) }
        let words = "received a series whose label value length exceeds the limit"
        let outcome = run(try batch(samples, longValues: long)) { long.contains($0) ? words : nil }
        #expect(outcome.dead == long)
        // One search, then the rest of the long ones, and the others.
        #expect(outcome.requests <= 22 + 2 * long.count, "\(outcome.requests)")
    }

    @Test func `a series of which a point was refused is sent apart, with all of its points`() throws {
        let samples = (0..<2000).map { Sample(series: $0 % 200, seconds: Int64(1000 + $0 / 200)) }
        let learned = run(try batch(Array(samples.prefix(200)))) { $0 == 150 ? "invalid label name" : nil }
        let next = run(try batch(samples), hints: learned.hints) { $0 % 200 == 150 ? "invalid label name" : nil }
        #expect(next.dead == Set(stride(from: 150, to: 2000, by: 200)))
        #expect(next.requests == 1 + 19)
    }

    @Test func `a hint that is wrong costs a request, ends no point, and is forgotten`() throws {
        let learned = run(try batch((0..<100).map { Sample(series: $0, seconds: 10) })) { $0 == 3 ? Self.old : nil }
        #expect(!learned.hints.isEmpty)
        let samples = (0..<100).map { Sample(series: $0, seconds: $0 < 50 ? 5 : 20) }
        let next = run(try batch(samples), hints: learned.hints) { _ in nil }
        #expect(next.dead.isEmpty && next.delivered.count == 100 && next.requests == 2)
        #expect(next.hints.isEmpty)
    }

    @Test func `what a lane learned from one lease parts the points of the next ones`() async throws {
        let server = try HTTPTestServer { request, _ in
            request.ordinals.contains { $0 % 10 == 3 } ? .text(400, "invalid label name") : .reply(204)
        }
        let fixture = LaneFixture(series: 10)
        var backend = LineBackend(url: server.url)
        backend.traits.maximumPoints = 100
        fixture.source.append(400)
        fixture.start(backend)
        await fixture.source.drained()
        let fates = fixture.source.fates()
        #expect(fates.indices.allSatisfy { (fates[$0] == .delivered) == ($0 % 10 != 3) })
        // Of the last three leases all other points go out at once, and are taken.
        let whole = server.requests.map(\.ordinals).filter { $0.count == 90 && !$0.contains { $0 % 10 == 3 } }
        #expect(whole.count == 3, "\(server.requests.map(\.ordinals.count))")
        await fixture.finish(server)
    }

    @Test func `of an answer about order nothing is learned`() throws {
        let samples = try batch((0..<100).map { Sample(series: $0, seconds: 10) })
        for words in ["out of order sample", "duplicate sample for timestamp"] {
            #expect(run(samples) { $0 == 3 ? words : nil }.hints.isEmpty)
        }
    }

    @Test func `whatever was learned, exactly the bad points are dead and each series keeps its order`() throws {
        let phrases = [Self.old, "label value too long", "too many labels", "no", "out of order"]
        for _ in 0..<60 {
            var random = SeededGenerator.fresh()
            var hints = RefusalHints()
            for _ in 0..<4 {
                let count = 1 + Int(random.next() % 300)
                // Arrival order is the order of time in each series.
                let samples = (0..<count).map { Sample(series: Int(random.next() % 20), seconds: Int64($0)) }
                let bad = Set((0..<random.next() % 6).map { _ in Int(random.next() % UInt64(count)) })
                let words = phrases[Int(random.next() % 5)]
                let batch = try batch(samples, longValues: [3, 4])
                let outcome = run(batch, hints: hints) { bad.contains($0) ? words : nil }
                #expect(outcome.dead == bad, "seed \(random.seed)")
                #expect(Set(outcome.delivered) == Set(0..<count).subtracting(bad), "seed \(random.seed)")
                for (_, ordinals) in Dictionary(grouping: outcome.delivered, by: { samples[$0].series }) {
                    #expect(ordinals == ordinals.sorted(), "seed \(random.seed)")
                }
                hints = outcome.hints
            }
        }
    }
}
