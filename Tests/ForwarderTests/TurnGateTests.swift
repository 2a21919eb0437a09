import TestSupport
import Testing

@testable import Forwarder

@Suite(.timeLimit(.minutes(10)))
struct TurnGateTests {
    @Test func `a tenant with one request is not behind another with a hundred`() async {
        let gate = TurnGate(limit: 1)
        await gate.acquire("first")
        let order = Recorder<String>()
        await withTaskGroup(of: Void.self) { group in
            // One after the other, so that the busy tenant is in line before the quiet one.
            for index in 0..<100 {
                group.addTask { await turn(gate, "busy", order) }
                while gate.waiting < index + 1 { await Task.yield() }
            }
            group.addTask { await turn(gate, "quiet", order) }
            while gate.waiting < 101 { await Task.yield() }
            gate.release()
        }
        let place = order.elements.firstIndex(of: "quiet")
        #expect((place ?? 100) <= 1)
    }

    @Test func `turns follow weights`() async {
        let gate = TurnGate(limit: 1)
        await gate.acquire("first")
        let order = Recorder<String>()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<60 {
                group.addTask { await turn(gate, "heavy", order, weight: 3) }
                group.addTask { await turn(gate, "light", order, weight: 1) }
            }
            while gate.waiting < 120 { await Task.yield() }
            gate.release()
        }
        let heavy = order.elements.prefix(40).filter { $0 == "heavy" }.count
        #expect((28...32).contains(heavy))
    }

    @Test func `no more than the limit run at once`() async {
        let gate = TurnGate(limit: 3)
        let running = Recorder<Int>()
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<200 {
                group.addTask {
                    await gate.acquire("tenant \(index % 7)")
                    running.record(1)
                    await Task.yield()
                    running.record(-1)
                    gate.release()
                }
            }
        }
        var now = 0
        for change in running.elements {
            now += change
            #expect(now <= 3)
        }
        #expect(gate.waiting == 0)
    }

    private func turn(_ gate: TurnGate, _ key: String, _ order: Recorder<String>, weight: Double = 1) async {
        await gate.acquire(key, weight: weight)
        order.record(key)
        gate.release()
    }
}
