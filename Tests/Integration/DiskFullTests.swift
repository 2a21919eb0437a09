import Foundation
import FoundationNetworking
import TestSupport
import Testing

/// The real binary on a disk that is really full, with a real backend: P1, P3 and P5 at once.
@Suite(.serialized, .enabled(if: SmallFileSystem.canBeMade, "mounting needs root"), .timeLimit(.minutes(5)))
struct DiskFullTests {
    private static let pointsPerRequest = 1000

    private func config(_ backend: VictoriaMetrics) -> String {
        """
        backends:
          central: { type: prometheus_remote_write, url: "\(backend.url)/api/v1/write" }
        tenants:
          default: { backends: [central] }
        """
    }

    /// Sends one request of unique points: a series a request, a second between points.
    private func send(_ request: Int, to node: HoldfastNode) async throws -> HTTPURLResponse {
        let end = Int(Date().timeIntervalSince1970) * 1000
        var body = ""
        for point in 0..<DiskFullTests.pointsPerRequest {
            let value = Double(request * DiskFullTests.pointsPerRequest + point) * 1.000_000_001
            body +=
                #"{"name":"full","labels":{"request":"\#(request)"},"value":\#(value),"timestamp_ms":\#(end - point * 1000)}"#
                + "\n"
        }
        var post = URLRequest(url: try #require(URL(string: "\(node.url)/api/v1/json")), timeoutInterval: 60)
        post.httpMethod = "POST"
        post.httpBody = Data(body.utf8)
        post.setValue("application/x-ndjson", forHTTPHeaderField: "Content-Type")
        let (_, answer) = try await URLSession.shared.data(for: post)
        return try #require(answer as? HTTPURLResponse)
    }

    @Test func `a full disk refuses with Retry-After, drains on, and takes in again, without a restart or a loss`()
        async throws
    {
        let bench = try Workbench("disk-full")
        let disk = try SmallFileSystem(bytes: 64 << 20)
        mkdir(disk.path + "/data", 0o700)
        let backend = try VictoriaMetrics(bench)
        let node = try HoldfastNode(bench, config: config(backend))
        #expect(symlink(disk.path + "/data", node.dataFolder) == 0)
        try await node.start()
        let processID = node.process.processID
        var acknowledged: [Int] = []
        for request in 0..<20 {
            let answer = try await send(request, to: node)
            #expect(answer.statusCode == 200)
            acknowledged.append(request)
        }
        // Nobody takes anything yet; another program takes all the disk.
        let filler = disk.fill()
        var refused: HTTPURLResponse?
        for request in 20..<2000 where refused == nil {
            let answer = try await send(request, to: node)
            if answer.statusCode == 200 { acknowledged.append(request) } else { refused = answer }
        }
        let answer = try #require(refused, "a full disk takes no more")
        #expect(answer.statusCode == 503)
        #expect(answer.value(forHTTPHeaderField: "Retry-After") != nil)

        try await backend.start()
        let drained = try await node.drain()
        #expect(drained.backends.allSatisfy { $0.balances && $0.lost == 0 && $0.dead == 0 })
        #expect(drained.accepted == acknowledged.count * DiskFullTests.pointsPerRequest)

        unlink(filler)
        let resumed = try await eventually(within: 60) {
            try await self.send(5000, to: node).statusCode == 200
        }
        #expect(resumed, "\(node.process.lastWords)")
        acknowledged.append(5000)
        _ = try await node.drain()
        #expect(node.process.isRunning && node.process.processID == processID, "nothing restarted")
        // A request that was tried again may have been stored by the first try: the same series all the same.
        for request in acknowledged {
            let stored = try await eventually(within: 60) {
                let dump = try await backend.dump("full{request=\"\(request)\"}")
                return dump.samples >= DiskFullTests.pointsPerRequest
            }
            #expect(stored, "request \(request) is not there whole")
        }
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        withExtendedLifetime(disk) {}
    }

    @Test func `a node starts on a disk that is full to the last byte and drains what it has`() async throws {
        let bench = try Workbench("disk-full-start")
        let disk = try SmallFileSystem(bytes: 64 << 20)
        mkdir(disk.path + "/data", 0o700)
        let backend = try VictoriaMetrics(bench)
        let node = try HoldfastNode(bench, config: config(backend))
        #expect(symlink(disk.path + "/data", node.dataFolder) == 0)
        try await node.start()
        for request in 0..<10 {
            let answer = try await send(request, to: node)
            #expect(answer.statusCode == 200)
        }
        node.process.kill()
        _ = disk.fill()
        try await backend.start()
        // It is ready until its one tenant's spool has seen how full it is, and then it is not.
        try await node.startUnready()
        let status = try await node.drain()
        #expect(status.accepted == 10 * DiskFullTests.pointsPerRequest)
        #expect(status.backends.allSatisfy { $0.balances && $0.pending == 0 && $0.lost == 0 && $0.dead == 0 })
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        withExtendedLifetime(disk) {}
    }
}
