import TestSupport
import Testing
import WALStore

@testable import Forwarder

@Suite struct BacklogShareTests {
    @Test(arguments: [0.01, 0.2, 0.5, 0.75, 0.99])
    func `while both have points the backlog gets its share to within one lease`(_ share: Double) {
        var random = SeededGenerator.fresh()
        var account = BacklogShare()
        var (fresh, backlog) = (0.0, 0.0)
        let largest = 10_000
        for _ in 0..<20_000 {
            let points = Int.random(in: 1...largest, using: &random)
            let turn = account.turn
            if turn == .backlog { backlog += Double(points) } else { fresh += Double(points) }
            account.leased(points: points, isOfBacklog: turn == .backlog, turn: turn, share: share)
            #expect(abs(backlog - share * (fresh + backlog)) <= Double(largest), "seed \(random.seed)")
        }
    }

    @Test func `the first turn is that of fresh points`() { #expect(BacklogShare().turn == .fresh) }

    @Test func `what the backlog has while nothing fresh waits is not paid for later`() {
        var account = BacklogShare()
        account.leased(points: 10, isOfBacklog: false, turn: .fresh, share: 0.5)
        for _ in 0..<1000 { account.leased(points: 10_000, isOfBacklog: true, turn: account.turn, share: 0.5) }
        account.leased(points: 10, isOfBacklog: false, turn: .fresh, share: 0.5)
        #expect(account.turn == .backlog)
    }

    @Test func `what goes out while there is no backlog is no credit for one`() {
        var account = BacklogShare()
        for _ in 0..<1000 { account.leased(points: 10_000, isOfBacklog: false, turn: account.turn, share: 0.9) }
        #expect(account.turn == .fresh)
    }
}
