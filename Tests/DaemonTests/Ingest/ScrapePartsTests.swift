import Synchronization
import TestSupport
import Testing

@testable import Daemon

#if canImport(Glibc)
    import Glibc
#endif

@Suite(.timeLimit(.minutes(1))) struct ScrapeSlotsTests {
    @Test func `as many scrapes run as there are slots, the others follow in their order`() async throws {
        let slots = ScrapeSlots(2)
        let order = Recorder<Int>()
        let crowd = Crowd()
        try await slots.take()
        try await slots.take()
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<20 {
            let task = Task {
                try await slots.take()
                crowd.enter()
                order.record(number)
                crowd.leave()
                await slots.putBack()
            }
            tasks.append(task)
            // The next one asks only when this one stands in line.
            while await slots.queued <= number { await Task.yield() }
        }
        #expect(order.elements.isEmpty)
        await slots.putBack()
        for task in tasks { try await task.value }
        #expect(order.elements == Array(0..<20))
        #expect(crowd.most <= 2)
        await slots.putBack()
    }

    @Test func `whoever is cancelled in line holds nothing`() async throws {
        let slots = ScrapeSlots(1)
        try await slots.take()
        let waiting = Task { try await slots.take() }
        while await slots.queued == 0 { await Task.yield() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        await slots.putBack()
        // The slot went to nobody: it is free.
        try await slots.take()
        await slots.putBack()
    }
}

@Suite struct FileDiscoveryTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/targets.json" }

    init() throws { folder = try TemporaryFolder() }

    private func write(_ text: String) throws {
        let file = try #require(fopen(path + ".new", "w"))
        fputs(text, file)
        fclose(file)
        #expect(rename(path + ".new", path) == 0)
    }

    @Test(arguments: [
        ("{}", "a list of target groups"), ("[1]", "must be an object"),
        ("[{\"targets\":[1]}]", "such as \"host:9100\""),
        ("[{\"targets\":[\"\"]}]", "such as \"host:9100\""), ("[{\"labels\":{\"a\":1}}]", "label a must be a text"),
        ("[{\"target\":[]}]", "\"target\" is no part"), ("[", ""),
    ])
    func `a file that cannot be understood says why, once, and the last targets stay`(_ text: String, _ words: String)
        throws
    {
        var file = FileDiscovery(path: path)
        try write("[{\"targets\":[\"h:1\"]}]")
        var news = [file.refresh()]
        try write(text)
        news += [file.refresh(), file.refresh()]
        #expect(news == [true, true, false])
        #expect(file.fault?.hasPrefix(path) == true)
        #expect(file.fault?.contains(words) == true || words.isEmpty, "\(file.fault ?? "")")
        #expect(file.groups.map(\.targets) == [["h:1"]])
    }

    @Test func `a file that was away and comes back as it was is no fault any more`() throws {
        var file = FileDiscovery(path: path)
        try write("[{\"targets\":[\"h:1\"]}]")
        var news = [file.refresh()]
        #expect(rename(path, path + ".away") == 0)
        news += [file.refresh(), file.refresh()]
        #expect(file.fault?.contains("No such file") == true)
        #expect(rename(path + ".away", path) == 0)
        news += [file.refresh(), file.refresh()]
        #expect(news == [true, true, false, true, false])
        #expect(file.fault == nil)
        #expect(file.groups.map(\.targets) == [["h:1"]])
    }
}

@Suite(.timeLimit(.minutes(1))) struct AsyncTurnTests {
    @Test func `a turn is one's own until it is given`() async {
        let turn = AsyncTurn()
        let crowd = Crowd()
        await withDiscardingTaskGroup { group in
            for _ in 0..<100 {
                group.addTask {
                    await turn.take()
                    crowd.enter()
                    await Task.yield()
                    crowd.leave()
                    turn.give()
                }
            }
        }
        #expect(crowd.most == 1)
        // The last one left it free.
        await turn.take()
        turn.give()
    }
}

/// How many are in at once.
private final class Crowd: Sendable {
    private let state = Mutex((inside: 0, most: 0))
    var most: Int { state.withLock { $0.most } }
    func enter() {
        state.withLock { state in
            state.inside += 1
            state.most = max(state.most, state.inside)
        }
    }
    func leave() { state.withLock { $0.inside -= 1 } }
}
