import Foundation
import Testing

/// A node whose only backend is away, so that what it takes in stays in its spool.
extension HoldfastNode {
    private static let backendAway = """
        backends:
          gone: { type: influxdb, url: "http://127.0.0.1:9", database: "metrics" }
        tenants:
          default: { backends: [gone] }
        log: { format: json }
        """

    var spool: String { "\(dataFolder)/tenants/default/spool.db" }

    func write(_ lines: Range<Int>) async throws {
        let body = lines.map { "weather,place=p\($0) temperature=\($0)" }.joined(separator: "\n")
        let answer = try await Web.post("\(url)/write?db=default", body)
        #expect(answer.status == 204, "\(String(decoding: answer.body, as: UTF8.self))")
    }

    /// With 300 points in its spool and in its summary, killed.
    static func killed(_ bench: Workbench) async throws -> HoldfastNode {
        let node = try HoldfastNode(bench, config: backendAway)
        try await node.start()
        for part in 0..<3 { try await node.write(part * 100..<part * 100 + 100) }
        // The summary is written once a second.
        #expect(
            try await eventually(within: 60) {
                let status = try run(Workbench.holdfast, ["status", "--json", "--data-dir", node.dataFolder])
                return try HoldfastNode.tenant(status.output)["accepted_points"] as? Int == 300
                    && FileManager.default.fileExists(atPath: "\(node.dataFolder)/summary")
            })
        node.process.kill()
        return node
    }

    /// The only tenant, of what `holdfast status --json` prints.
    static func tenant(_ output: String) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
        return (object?["tenants"] as? [[String: Any]])?.first ?? [:]
    }
}
