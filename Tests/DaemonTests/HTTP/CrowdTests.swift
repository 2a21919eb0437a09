import TestSupport
import Testing

@testable import Daemon

/// Who leaves when a listener is full: the decision alone.
@Suite struct CrowdTests {
    private func standing(_ host: String, idle seconds: Int64?) -> Crowd.Standing {
        Crowd.Standing(host: Substring(host), idleNanoseconds: seconds.map { $0 * 1_000_000_000 })
    }

    @Test func `nobody leaves while there is room`() {
        let standings = (0..<10).map { standing("a", idle: $0) }
        #expect(Crowd.decide(standings, places: 10, placesPerHost: 0) == Crowd.Decision())
    }

    @Test func `whoever was idle for longest leaves first, and no more than have to`() {
        let standings = [3, 9, nil, 1, 7].map { standing("a", idle: $0) }
        #expect(Crowd.decide(standings, places: 3, placesPerHost: 0).leaving == [1, 4])
    }

    @Test func `a host over its share gives up its own places, never another's`() {
        let standings = [standing("b", idle: 100)] + (0..<5).map { standing("a", idle: $0) }
        let decision = Crowd.decide(standings, places: 100, placesPerHost: 3)
        #expect(decision == Crowd.Decision(leaving: [5, 4]))
    }

    @Test func `the host with most connections makes room, however long others were idle`() {
        let standings = [standing("b", idle: 100)] + (0..<5).map { standing("a", idle: $0) }
        #expect(Crowd.decide(standings, places: 5, placesPerHost: 0).leaving == [5])
    }

    @Test func `busy connections are not cut: they leave after their answers`() {
        let standings = (0..<6).map { _ in standing("a", idle: nil) } + [standing("a", idle: 1)]
        #expect(Crowd.decide(standings, places: 4, placesPerHost: 0) == Crowd.Decision(leaving: [6], afterAnswer: 2))
    }

    @Test func `whatever the crowd, the limits hold in the end and nobody busy is cut`() {
        var random = SeededGenerator.fresh()
        for _ in 0..<500 {
            let standings = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                standing(
                    ["a", "b", "c"].randomElement(using: &random) ?? "a",
                    idle: Bool.random(using: &random) ? Int64.random(in: 0...50, using: &random) : nil)
            }
            let places = Int.random(in: 1...40, using: &random)
            let share = Int.random(in: 0...20, using: &random)
            let decision = Crowd.decide(standings, places: places, placesPerHost: share)
            #expect(Set(decision.leaving).count == decision.leaving.count, "seed \(random.seed)")
            #expect(decision.leaving.allSatisfy { standings[$0].idleNanoseconds != nil }, "seed \(random.seed)")
            let left = standings.indices.filter { !decision.leaving.contains($0) }
            #expect(left.count - decision.afterAnswer <= places, "seed \(random.seed)")
            guard share > 0 else { continue }
            for host in ["a", "b", "c"] {
                let own = left.filter { standings[$0].host == host }
                let areAllBusy = own.allSatisfy { standings[$0].idleNanoseconds == nil }
                #expect(own.count <= share || areAllBusy, "seed \(random.seed)")
            }
        }
    }
}
