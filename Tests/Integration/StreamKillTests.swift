import Foundation
import TestSupport
import Testing

/// A client of the real binary that resumes its stream after each kill.
@Suite(.serialized) struct StreamKillTests {
    private static let config = """
        backends:
          archive: { type: archive }
        tenants:
          default: { backends: [archive] }
        """
    private static let kills = 6
    private static let lines = 200_000
    /// Of a request: several slices of a mebibyte, so that most kills meet a body that is committed in part.
    private static let bodyLines = 50_000

    private static func body(_ lines: Range<Int>) -> String {
        lines.map { value in
            #"{"name":"load","value":\#(value),"timestamp_ms":\#(LoadLedger.firstTime + value)}"# + "\n"
        }.joined()
    }

    private static func committed(_ url: String) async throws -> Int? {
        struct Progress: Decodable {
            var committed_lines: Int
        }
        guard let answer = try? await Web.get("\(url)/api/v1/json/streams/ship"), answer.status == 200 else {
            return nil
        }
        return try JSONDecoder().decode(Progress.self, from: answer.body).committed_lines
    }

    @Test func `a client that goes on from the committed lines after each kill has every line stored once`()
        async throws
    {
        var random = SeededGenerator.fresh()
        let bench = try Workbench("streams")
        let node = try HoldfastNode(bench, config: Self.config)
        try await node.start()
        let url = node.url
        // A body is some seconds on its way, however fast the machine is, or slow to look how far it has come.
        let link = try FaultProxy(to: node.port) { _ in
            FaultPlan(request: [FaultPlan.Stage(0, .slow(bytes: 4 << 10, everyMilliseconds: 5))])
        }
        defer { link.stop() }
        let front = link.url
        let client = Task { () -> (resumptions: Int, behind: [Int]) in
            var (from, resumptions, told) = (0, 0, 0)
            var behind: [Int] = []
            while from < Self.lines {
                let end = min(from + Self.bodyLines, Self.lines)
                let body = Self.body(from..<end)
                let answer = try? await Web.post(
                    "\(front)/api/v1/json?stream=ship&from=\(from)", body,
                    headers: ["Content-Type": "application/x-ndjson"])
                if let answer, answer.status == 200 { told = end }
                resumptions += 1
                var count: Int?
                guard
                    try await eventually(
                        within: 60, every: 0.02,
                        {
                            count = try await Self.committed(url)
                            return count != nil
                        })
                else { throw TestFailure("nobody says how far the stream is") }
                from = count ?? from
                if from < told { behind.append(from) }
            }
            return (resumptions, behind)
        }
        for kill in 0..<Self.kills {
            // With more to come: the client is in the middle of it.
            let part = Self.lines / (Self.kills + 2)
            let lines = Int.random(in: kill * part..<(kill + 1) * part, using: &random)
            #expect(try await eventually(within: 60, every: 0.005) { try await Self.committed(url) ?? -1 >= lines })
            node.process.kill()
            try await node.start()
        }
        let (resumptions, behind) = try await client.value
        #expect(behind.isEmpty, "counts behind what was acknowledged: \(behind), seed \(random.seed)")
        #expect(resumptions > Self.lines / Self.bodyLines, "no kill met a body, seed \(random.seed)")
        let status = try await node.drain()
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        #expect(status.accepted == Self.lines, "seed \(random.seed)")
        let received = try LoadLedger.values(archive: node.archiveFolder)
        #expect(received.values == Set(0..<Self.lines), "seed \(random.seed)")
    }
}
