import Foundation
import Synchronization
import TestSupport
import Testing

/// Clients and networks that break in the middle of a request, against the real binary: everything acknowledged is stored
/// exactly, and nothing in part.
@Suite(.serialized, .timeLimit(.minutes(5))) struct IngestFaultTests {
    private static let path = "/api/v1/json"
    private static let type = "Content-Type: application/x-ndjson"

    private func node(_ name: String) async throws -> HoldfastNode {
        let bench = try Workbench(name)
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  archive: { type: archive }
                tenants:
                  default: { backends: [archive] }
                """, server: "timeouts: { idle: 20s }")
        try await node.start()
        return node
    }

    /// Stops the node in order and compares what is in its archive with what was said.
    private func check(_ ledger: PointLedger, _ node: HoldfastNode, _ context: String) async throws {
        // What was still under way has arrived or ended: the one connection left is the one that asks. One whose end came
        // in the same packet as its request is noticed by the idle limit only.
        #expect(
            try await eventually(within: 90) { (try await node.metric("holdfast_connections") ?? 0) <= 1 },
            "connections stay open, \(context)")
        let status = try await node.drain()
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        let stored = try PointLedger.stored(archive: node.archiveFolder)
        let faults = ledger.faults(stored: stored, exactly: true)
        #expect(faults.isEmpty, "\(faults.prefix(5)), \(context)")
        for backend in status.backends { #expect(backend.balances, "\(backend), \(context)") }
        #expect(status.accepted == stored.values.reduce(0, +), "\(context)")
    }

    // MARK: Broken clients

    @Test func `what broken clients send is stored whole or not at all, and only whole requests are acknowledged`()
        async throws
    {
        let random = SeededGenerator.fresh()
        let node = try await node("broken-clients")
        let ledger = PointLedger()
        let counts = Mutex<[String: Int]>([:])
        let port = node.port
        await ClientThreads.run(4) { number in
            var random = SeededGenerator(seed: random.seed &+ UInt64(number))
            for _ in 0..<60 {
                let kind = BrokenClient.allCases.randomElement(using: &random) ?? .whole
                do {
                    try kind.run(port, ledger, using: &random)
                    counts.withLock { $0[kind.rawValue, default: 0] += 1 }
                } catch {
                    Issue.record("\(kind): \(error), seed \(random.seed)")
                }
            }
        }
        print("broken clients: \(counts.withLock { $0 }), seed \(random.seed)")
        #expect(ledger.acknowledgedRequests > 20)
        try await check(ledger, node, "seed \(random.seed)")
    }

    /// One way for a client to behave; each makes its own requests and writes down what was said.
    enum BrokenClient: String, CaseIterable, Sendable {
        case whole, pieces, halfClosed, pipelined, continued, chunked
        case resetInBody, endInBody, resetAfterBody, endInChunk, badChunk
        case folded, repeated, bothLengths, blankBeforeColon, tooLong

        func run(_ port: Int, _ ledger: PointLedger, using random: inout SeededGenerator) throws {
            let client = try RawConnection(port: port)
            let (number, body) = ledger.make(Int.random(in: 1...200, using: &random))
            let request = RawConnection.request("POST", path, headers: [type], body: body)
            let head = "POST \(path) HTTP/1.1\r\nHost: t\r\n\(type)\r\n"
            let cut = Int.random(in: 1..<body.count, using: &random)
            switch self {
            case .whole:
                try client.send(request)
                try expect(200, client, ledger, number)
            case .pieces:
                for piece in stride(from: 0, to: request.count, by: max(1, request.count / 7)) {
                    try client.send(Array(request.dropFirst(piece).prefix(max(1, request.count / 7))))
                    sched_yield()
                }
                try expect(200, client, ledger, number)
            case .halfClosed:
                try client.send(request)
                client.endOfSending()
                // libmicrohttpd may see the end before the answer is there, and closes: then nobody was told anything.
                guard let answer = try? client.receive(), answer.status == 200 else { return ledger.doubtful(number) }
                ledger.acknowledged(number)
            case .pipelined:
                let more = (0..<4).map { _ in ledger.make(20) }
                try client.send(
                    request
                        + more.flatMap { RawConnection.request("POST", path, headers: [type], body: $0.body) })
                for number in [number] + more.map(\.number) { try expect(200, client, ledger, number) }
            case .continued:
                try client.send(head + "Expect: 100-continue\r\nContent-Length: \(body.count)\r\n\r\n")
                #expect(try client.receiveHead().status == 100)
                try client.send(body)
                try expect(200, client, ledger, number)
            case .chunked:
                try client.send(head + "Transfer-Encoding: chunked\r\n\r\n")
                for part in [body[..<cut], body[cut...]] where !part.isEmpty {
                    try client.send(Array("\(String(part.count, radix: 16))\r\n".utf8) + part + Array("\r\n".utf8))
                }
                try client.send("0\r\n\r\n")
                try expect(200, client, ledger, number)
            case .resetInBody:
                try client.send(Array(request.dropLast(body.count - cut)))
                client.reset()
            case .endInBody:
                try client.send(Array(request.dropLast(body.count - cut)))
                client.endOfSending()
                #expect(!client.receiveAll().contains("HTTP/1.1 2"))
            case .resetAfterBody:
                ledger.doubtful(number)
                try client.send(request)
                client.reset()
            case .endInChunk:
                try client.send(head + "Transfer-Encoding: chunked\r\n\r\n")
                try client.send(Array("\(String(body.count, radix: 16))\r\n".utf8) + body[..<cut])
                client.endOfSending()
                #expect(!client.receiveAll().contains("HTTP/1.1 2"))
            case .badChunk:
                try client.send(head + "Transfer-Encoding: chunked\r\n\r\n")
                try client.send(Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("no end".utf8))
                #expect(!client.receiveAll().contains("HTTP/1.1 2"))
            case .folded:
                try refused(client, "POST \(path) HTTP/1.1\r\nHost: t\r\n\(type)\r\nX-A: b\r\n c\r\n", body)
            case .repeated:
                try refused(client, head + "Content-Type: application/json\r\n", body)
            case .bothLengths:
                try refused(client, head + "Transfer-Encoding: chunked\r\n", body)
            case .blankBeforeColon:
                try refused(client, head + "X-Scope-OrgID : default\r\n", body)
            case .tooLong:
                try? client.send(head + "X-Long: " + String(repeating: "a", count: 100_000) + "\r\n\r\n")
                #expect(!client.receiveAll().contains("HTTP/1.1 2"))
            }
        }

        private func expect(
            _ status: Int, _ client: RawConnection, _ ledger: PointLedger, _ number: Int
        ) throws {
            let answer = try client.receive()
            #expect(answer.status == status, "\(self): \(answer)")
            if answer.status == 200 { ledger.acknowledged(number) } else { ledger.doubtful(number) }
        }

        private func refused(_ client: RawConnection, _ head: String, _ body: [UInt8]) throws {
            // What follows the refused head must not be taken for a request.
            try? client.send(Array((head + "Content-Length: \(body.count)\r\n\r\n").utf8) + body)
            let answer = client.receiveAll()
            #expect(answer.matches(of: #/HTTP/1\.1 /#).count <= 1, "\(self): \(answer)")
            #expect(!answer.contains("HTTP/1.1 2"), "\(self): \(answer)")
        }

        private var path: String { IngestFaultTests.path }
        private var type: String { IngestFaultTests.type }
    }

    // MARK: A broken network

    @Test func `senders that send the same again until they are heard get every request stored, none in part`()
        async throws
    {
        let random = SeededGenerator.fresh()
        let node = try await node("ingest-network")
        let mix = Mutex(FaultMix(using: random, faultsPerHundred: 60, requestBytes: 8000, delayMilliseconds: 20))
        let proxy = try FaultProxy(to: node.port) { _ in mix.withLock { $0.next() } }
        defer { proxy.stop() }
        let ledger = PointLedger()
        let port = proxy.port
        await ClientThreads.run(8) { _ in
            for _ in 0..<12 {
                let (number, body) = ledger.make(120)
                while !IngestFaultTests.isHeard(port, number, body, ledger) {}
            }
        }
        let entries = ledger.entries.values
        print(
            "ingest network: \(proxy.injected.values.reduce(0, +)) faults \(proxy.injected), \(entries.count) requests, "
                + "\(entries.reduce(0) { $0 + $1.doubtful }) tries without an answer, seed \(random.seed)")
        #expect(entries.allSatisfy { $0.acknowledgements == 1 })
        #expect(proxy.injected.count > 3)
        proxy.stop()
        try await check(ledger, node, "seed \(random.seed)")
    }

    /// One try; an answer that was garbled on its way is no answer.
    private static func isHeard(_ port: Int, _ number: Int, _ body: [UInt8], _ ledger: PointLedger) -> Bool {
        do {
            let client = try RawConnection(port: port, receiveSeconds: 1)
            try client.send(RawConnection.request("POST", path, headers: [type], body: body))
            let answer = try client.receive()
            if answer.status == 200, answer.body.contains("\"accepted\":\(120)") {
                ledger.acknowledged(number)
                return true
            }
        } catch {
            // Whatever it was: the next try tells.
        }
        ledger.doubtful(number)
        return false
    }
}
