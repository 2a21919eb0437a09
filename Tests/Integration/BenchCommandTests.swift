import Foundation
import Testing

/// `holdfast bench` on the real binary: it measures a node that does its work, and leaves nothing behind.
@Suite(.serialized) struct BenchCommandTests {
    @Test(arguments: ["ingest", "deliver", "path"])
    func `a benchmark acknowledges all it sends, delivers it, and cleans up`(kind: String) throws {
        let bench = try Workbench("bench-\(kind)")
        let result = try run(
            Workbench.holdfast,
            [
                "bench", kind, "--json", "--series", "300", "--samples", "100", "--scrapes", "5", "--connections", "2",
                "--data-dir", bench.folder.path,
            ])
        #expect(result.status == 0, "\(result.errors)")
        let json = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect(json["bench"] as? String == kind)
        #expect(json["acked_samples"] as? Int == 1500)
        #expect(json["failed_requests"] as? Int == 0)
        #expect(json["delivered_samples"] as? Int == (kind == "ingest" ? nil : 1500))
        #expect(try #require(json["ack_p50_ms"] as? Double) <= #require(json["ack_max_ms"] as? Double))
        #expect(try #require(json["rss_mib"] as? Double) > 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder.path).isEmpty)
    }

    @Test func `a benchmark of nothing is wrong usage`() throws {
        let result = try run(Workbench.holdfast, ["bench", "nothing"])
        #expect(result.status == 2)
        #expect(result.errors.contains("needs one of: ingest, deliver, path, compare, counted"))
    }

    @Test func `a comparison has a figure of each for every row of its phases, and cleans up`() throws {
        let bench = try Workbench("bench-compare")
        // The binary beside itself: what else is installed is not known here.
        let result = try run(
            Workbench.holdfast,
            [
                "bench", "compare", "--json", "--rounds", "1", "--only", "outage", "--only", "path", "--series", "300",
                "--samples", "100", "--scrapes", "5", "--connections", "2", "--data-dir", bench.folder.path,
                "--peer", "holdfast=\(Workbench.holdfast)",
            ])
        #expect(result.status == 0, "\(result.errors)")
        let json = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let rows = try #require(json["rows"] as? [[String: Any]])
        #expect(
            Set(rows.compactMap { $0["row"] as? String }).isSuperset(of: [
                "acked_samples_per_second", "path_samples_per_second",
            ]))
        for row in rows {
            let figures = try #require(row["figures"] as? [[String: Any]])
            #expect(figures.count == 2 && figures.allSatisfy { $0["median"] is NSNumber }, "\(row)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder.path).isEmpty)
    }

    @Test func `a peer that does not start has no figures, and the comparison goes on`() throws {
        let bench = try Workbench("bench-broken")
        let result = try run(
            Workbench.holdfast,
            [
                "bench", "compare", "--rounds", "1", "--only", "path", "--series", "300", "--samples", "100",
                "--scrapes", "5", "--data-dir", bench.folder.path, "--peer", "vmagent=/bin/false",
            ])
        #expect(result.status == 0)
        #expect(result.errors.contains("/bin/false did not get ready"), "\(result.errors)")
        #expect(result.output.contains("whole path, flat out"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder.path).isEmpty)
    }

    /// As `ops/counted` asks for it; here, because a scrape takes a debug build seconds of a processor.
    @Test(arguments: ["decode", "merge", "encode", "open", "send"])
    func `a counted step does the same each time, with all of a scrape`(step: String) throws {
        let bench = try Workbench("bench-counted-\(step)")
        let first = try counted(step, times: 1, in: bench)
        #expect(first.samples == 20_280 && first.requests == 11)
        #expect((first.bytes > 0) == (step == "encode" || step == "send"))
        #expect(try counted(step, times: 1, in: bench) == first)
        let twice = try counted(step, times: 2, in: bench)
        #expect(twice.samples == 2 * first.samples && twice.requests == 22 && twice.bytes == 2 * first.bytes)
    }

    @Test func `commits are counted but for the first time, and leave nothing behind`() throws {
        let bench = try Workbench("bench-counted-commit")
        let result = try counted("commit", times: 2, in: bench)
        #expect(result.requests == 22 && result.samples == 40_560)
        let none = try counted("commit", times: 0, in: bench)
        #expect(none.requests == 0 && none.samples == 0 && none.bytes < result.bytes)
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder.path).isEmpty)
    }

    private struct Counted: Decodable, Equatable {
        var requests: Int
        var samples: Int
        var bytes: Int
    }

    private func counted(_ step: String, times: Int, in bench: Workbench) throws -> Counted {
        let result = try run(
            Workbench.holdfast,
            ["bench", "counted", "--step", step, "--times", "\(times)", "--data-dir", bench.folder.path])
        #expect(result.status == 0, "\(result.errors)")
        return try JSONDecoder().decode(Counted.self, from: Data(result.output.utf8))
    }
}
