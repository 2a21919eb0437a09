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
    private static let lines = 60_000

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
        let client = Task { () -> (resumptions: Int, behind: [Int]) in
            var (from, resumptions, told) = (0, 0, 0)
            var behind: [Int] = []
            while from < Self.lines {
                // Several slices of a mebibyte: most kills meet a body that is committed in part.
                let body = Self.body(from..<min(from + 50_000, Self.lines))
                let answer = try? await Web.post(
                    "\(url)/api/v1/json?stream=ship&from=\(from)", body,
                    headers: ["Content-Type": "application/x-ndjson"])
                if let answer, answer.status == 200 { told = min(from + 50_000, Self.lines) }
                resumptions += 1
                while true {
                    if let count = try await Self.committed(url) {
                        if count < told { behind.append(count) }
                        from = count
                        break
                    }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            return (resumptions, behind)
        }
        for _ in 0..<Self.kills {
            try await Task.sleep(for: .milliseconds(Int.random(in: 100...600, using: &random)))
            node.process.kill()
            try await node.start()
        }
        let (resumptions, behind) = try await client.value
        #expect(behind.isEmpty, "counts behind what was acknowledged: \(behind), seed \(random.seed)")
        #expect(resumptions > 1, "no kill met a body, seed \(random.seed)")
        let status = try await node.drain()
        #expect(node.process.stop() == 0, "\(node.process.lastWords)")
        #expect(status.accepted == Self.lines, "seed \(random.seed)")
        let received = try LoadLedger.values(archive: node.archiveFolder)
        #expect(received.values == Set(0..<Self.lines), "seed \(random.seed)")
    }
}
