import Foundation
import Synchronization
import TestSupport
import Testing

/// Many connections, most of them useless, on the real binary. What is counted is progress, never speed.
@Suite(.serialized, .timeLimit(.minutes(5))) struct OverloadTests {
    /// - Parameter wrapper: see `HoldfastNode`.
    private func node(_ name: String, connections: Int, wrapper: [String] = []) async throws -> HoldfastNode {
        let bench = try Workbench(name)
        let node = try HoldfastNode(
            bench,
            config: """
                  limits: { connections: \(connections), connections_per_address: \(connections) }
                  timeouts: { idle: 1h, headers: 1h, body: 1h }
                backends:
                  archive: { type: archive }
                tenants:
                  default: { backends: [archive] }
                """, wrapper: wrapper)
        try await node.start()
        return node
    }

    /// Connections that say nothing, or begin a request and leave it at that.
    private static func silent(_ count: Int, _ port: Int) throws -> [RawConnection] {
        try (0..<count).map { number in
            let client = try RawConnection(port: port)
            switch number % 3 {
            case 0: break
            case 1: try client.send("POST /api/v1/json HTTP/1.1\r\nHost: t\r\nX-Slow: ")
            default: try client.send("POST /api/v1/json HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{")
            }
            return client
        }
    }

    /// Sends until `requests` of its own were acknowledged; whoever loses its connection comes back on another.
    ///
    /// - Parameter clients: connections that have one request under way each.
    private static func send(
        _ requests: Int, clients: Int, _ port: Int, _ ledger: PointLedger, _ progress: borrowing Mutex<[Int]>, slot: Int
    ) {
        var connections: [RawConnection?] = Array(repeating: nil, count: clients)
        var waiting: [(number: Int, body: [UInt8])] = (0..<clients).map { _ in ledger.make(10) }
        var left = requests
        while left > 0 {
            for index in connections.indices {
                if connections[index] == nil { connections[index] = try? RawConnection(port: port) }
                let request = RawConnection.request(
                    "POST", "/api/v1/json", headers: ["Content-Type: application/x-ndjson"], body: waiting[index].body)
                if (try? connections[index]?.send(request)) == nil { connections[index] = nil }
            }
            for index in connections.indices {
                guard let answer = try? connections[index]?.receive() else {
                    ledger.doubtful(waiting[index].number)
                    connections[index] = nil
                    continue
                }
                if answer.headers["connection"] == "close" { connections[index] = nil }
                guard answer.status == 200 else {
                    ledger.doubtful(waiting[index].number)
                    continue
                }
                ledger.acknowledged(waiting[index].number)
                waiting[index] = ledger.make(10)
                left -= 1
                progress.withLock { $0[slot] += 1 }
            }
        }
    }

    @Test func `two thousand idle and two hundred busy connections cost no threads, bounded files and bounded memory`()
        async throws
    {
        try #require(ClientThreads.raiseFileLimit() >= 4096, "this process may not open 4,096 files: ulimit -n")
        let node = try await node("overload", connections: 2400)
        let before = node.process.usage
        let silent = try OverloadTests.silent(2000, node.port)
        let (ledger, port) = (PointLedger(), node.port)
        var usages: [(threads: Int, files: Int, residentBytes: Int)] = []
        for _ in 0..<4 {
            let progress = Mutex(Array(repeating: 0, count: 8))
            await ClientThreads.run(8) { slot in
                OverloadTests.send(100, clients: 25, port, ledger, progress, slot: slot)
            }
            #expect(progress.withLock { $0 }.allSatisfy { $0 >= 100 })
            usages.append(node.process.usage)
        }
        print("overload: before \(before), then \(usages), \(ledger.acknowledgedRequests) requests")
        let files = try await node.metric("process_open_fds") ?? 0
        #expect(files < 2400 + 300)
        for usage in usages {
            #expect(usage.threads <= before.threads + 4, "\(usage)")
            #expect(usage.files <= 2400 + 300, "\(usage)")
        }
        // Past the first round, which fills pools and buffers, four times the load takes no more.
        #expect(usages[3].residentBytes <= usages[0].residentBytes + (48 << 20), "\(usages)")
        #expect(usages[3].residentBytes <= before.residentBytes + (400 << 20), "\(before), \(usages)")
        withExtendedLifetime(silent) {}
        try await check(ledger, node)
    }

    @Test func `with room for few, every busy sender is heard although many more sit on places`() async throws {
        try #require(ClientThreads.raiseFileLimit() >= 4096, "this process may not open 4,096 files: ulimit -n")
        let node = try await node("crowd", connections: 150)
        let silent = try OverloadTests.silent(600, node.port)
        let (ledger, port) = (PointLedger(), node.port)
        let progress = Mutex(Array(repeating: 0, count: 40))
        await ClientThreads.run(40) { slot in
            OverloadTests.send(10, clients: 1, port, ledger, progress, slot: slot)
        }
        #expect(progress.withLock { $0 }.allSatisfy { $0 >= 10 })
        let displaced = try await node.metric("holdfast_displaced_connections_total") ?? 0
        #expect(displaced >= 400, "the idle ones sat on 168 places, and 600 came")
        #expect(try await node.metric("holdfast_connections") ?? 0 <= 168 + 1)
        print("crowd: \(ledger.acknowledgedRequests) requests heard, \(displaced) connections made room")
        withExtendedLifetime(silent) {}
        try await check(ledger, node)
    }

    @Test func `where few files may be open it never runs out of them, and hears every busy sender`() async throws {
        let limit = 160
        let node = try await node(
            "files", connections: 2000, wrapper: ["/bin/bash", "-c", "ulimit -n \(limit); exec \"$@\"", "bash"])
        #expect(node.process.lastWords.contains("only \(limit) files may be open"), "\(node.process.lastWords)")
        // They are turned away as they come.
        let silent = try (0..<400).map { _ in try RawConnection(port: node.port) }
        let (ledger, port) = (PointLedger(), node.port)
        let progress = Mutex(Array(repeating: 0, count: 20))
        await ClientThreads.run(20) { slot in
            OverloadTests.send(20, clients: 1, port, ledger, progress, slot: slot)
        }
        #expect(progress.withLock { $0 }.allSatisfy { $0 >= 20 })
        #expect(try await node.metric("process_max_fds") == Double(limit))
        let files = node.process.usage.files
        #expect(files < limit - 20, "\(files) files are open")
        withExtendedLifetime(silent) {}
        try await check(ledger, node)
    }

    private func check(_ ledger: PointLedger, _ node: HoldfastNode) async throws {
        _ = try await node.drain()
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        let faults = ledger.faults(stored: try PointLedger.stored(archive: node.archiveFolder), exactly: true)
        #expect(faults.isEmpty, "\(faults.prefix(5))")
    }
}
