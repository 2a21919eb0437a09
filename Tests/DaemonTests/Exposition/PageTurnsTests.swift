import TestSupport
import Testing

@testable import Daemon

/// How many pages are written at a time.
@Suite struct PageTurnsTests {
    @Test func `a few go at once, the others in their turn, and one too many not at all`() {
        let turns = PageTurns()
        let begun = Recorder<Int>()
        let all = PageTurns.maximumPages + PageTurns.maximumWaiting
        // Twice, so that the line begins anew while it is full.
        for round in 0..<2 {
            let first = round * all
            for number in first..<first + all { #expect(turns.take { begun.record(number) }) }
            #expect(!turns.take { begun.record(-1) })
            #expect(begun.elements.count == first + PageTurns.maximumPages)
            for ended in 0..<all {
                turns.end()
                let running = min(first + all, first + PageTurns.maximumPages + ended + 1)
                #expect(begun.elements == Array(0..<running))
            }
        }
        // With one coming for each that ends, for long.
        for number in 0..<PageTurns.maximumPages + 10 { #expect(turns.take { begun.record(number) }) }
        for number in 0..<1000 {
            #expect(turns.take { begun.record(number) })
            turns.end()
        }
        #expect(begun.elements.count == 2 * all + PageTurns.maximumPages + 1000)
    }
}
