import Glibc
import Metrics
import TestSupport
import Testing

@testable import Daemon

@Suite struct CompareTests {
    private static let vmagent = BenchPeer(kind: .vmagent, path: "/usr/bin/vmagent", version: "1.79.5")
    private static let prometheus = BenchPeer(kind: .prometheus, path: "/usr/bin/prometheus", version: "2.42.0")

    private static func report(_ rounds: [[[CompareRow: Double]]]) -> CompareReport {
        var options = CompareOptions()
        options.rounds = rounds.count
        var report = CompareReport(options: options, peers: [.own, vmagent, prometheus])
        for (round, peers) in rounds.enumerated() {
            for (peer, figures) in peers.enumerated() { report.take(figures, of: peer, round: round) }
        }
        return report
    }

    @Test func `figures are medians, ratios are medians of those within rounds`() {
        // The machine is three times as fast in the second round, and ten times in the third.
        let report = Self.report([
            [[.ackedPerSecond: 100], [.ackedPerSecond: 50], [:]],
            [[.ackedPerSecond: 300], [.ackedPerSecond: 150], [.ackedPerSecond: 30]],
            [[.ackedPerSecond: 1000], [.ackedPerSecond: 2000], [:]],
        ])
        #expect(report.median(.ackedPerSecond, 0) == 300)
        #expect(report.median(.ackedPerSecond, 1) == 150)
        #expect(report.ratio(.ackedPerSecond, 1) == 2)
        #expect(report.ratio(.ackedPerSecond, 2) == 10)
        #expect(report.median(.pathCPU, 0) == nil && report.ratio(.pathCPU, 1) == nil)
        #expect(CompareReport.median([4, 1, 3, 2]) == 2.5)
    }

    @Test(arguments: [
        (CompareRow.ackedPerSecond, 100.0, 100.0, 0.0), (.ackedPerSecond, 80, 100, 0.2),
        (.ackedPerSecond, 150, 100, -0.5),
        (.ingestCPU, 0.35, 0.5, 0), (.ingestCPU, 0.7, 0.5, 1), (.farDrainPerSecond, 250, 100, 0.5),
        (.diskBytes, 3, 22, 0.5), (.diskBytes, 2, 1, 0),
    ])
    func `a target is missed by a share of itself`(row: CompareRow, own: Double, other: Double, by share: Double) throws
    {
        let report = Self.report([[[row: own], [row: other], [:]]])
        #expect(abs(try #require(report.shortfall(row)) - share) < 1e-9)
    }

    @Test func `a target that names vmagent cannot be judged without one, and holds against the better of two`() {
        #expect(Self.report([[[.ackedPerSecond: 1], [:], [.ackedPerSecond: 1]]]).shortfall(.ackedPerSecond) == nil)
        var two = CompareReport(options: CompareOptions(), peers: [.own, Self.vmagent, Self.vmagent])
        for (peer, value) in [100.0, 50, 200].enumerated() { two.take([.ackedPerSecond: value], of: peer, round: 0) }
        #expect(two.shortfall(.ackedPerSecond) == 0.5)
    }

    @Test func `the table and its JSON say the same, and a gap is a gap`() throws {
        let report = Self.report([[[.diskBytes: 3, .repackedBytes: 0.9], [.diskBytes: 22.5], [:]]])
        let lines = report.text.split(separator: "\n")
        #expect(lines[0].contains("vmagent 1.79.5") && lines[0].contains("prometheus 2.42.0"))
        let disk = try #require(lines.first { $0.hasPrefix("disk, in the outage") })
        #expect(disk.contains("<= 2") && disk.contains("missed by 50 %") && disk.contains("0.13 x"))
        let repacked = try #require(lines.first { $0.hasPrefix("disk, after repack") })
        #expect(repacked.contains("met") && repacked.hasSuffix("-"))

        let json = report.json
        #expect(json["compared"]?.array?.map { $0["kind"]?.string } == ["holdfast", "vmagent", "prometheus"])
        let row = try #require(json["rows"]?.array?.first { $0["row"]?.string == "disk_bytes_per_sample" })
        #expect(row["is_met"] == .bool(false))
        #expect(row["figures"]?.array?.map { $0["median"] } == [.double(3), .double(22.5), .null])
        #expect(try JSONValue.parse(Array(json.pretty.utf8)) != .null)
    }

    @Test(arguments: [
        ("vmagent-20260801-120000-tags-v1.147.0-0-gabc", "1.147.0"), ("\n\n", ""),
        ("holdfast 0.1.0\nswift 6.3", "0.1.0"),
        ("prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0)", "2.42.0+ds"),
    ])
    func `a version is found in what a program says`(said: String, version: String) {
        #expect(BenchPeer.version(in: said) == version)
    }

    @Test func `a program is asked for its version, and one that ends is not waited for`() throws {
        let folder = try TemporaryFolder()
        #expect(try BenchProcess.output(of: "/bin/echo", ["of peace"], in: folder.path) == "of peace\n")
        #expect(try BenchProcess.output(of: "/nowhere", [], in: folder.path) == nil)
        #expect(throws: BenchFailure.self) {
            try BenchProcess("/bin/false", in: folder.path, readyPath: "/") { _, _ in [] }
        }
        // Nothing is left: a folder goes only when it is empty.
        #expect(rmdir(folder.path) == 0)
    }

    @Test func `a metric is the sum over its labels`() {
        let page = """
            # HELP holdfast_spool_bytes Size.
            holdfast_spool_bytes{tenant="a"} 4096
            holdfast_spool_bytes{tenant="b"} 8192
            holdfast_spool_bytes_more 5
            up 1
            """
        #expect(ComparePhaseRun.metric("holdfast_spool_bytes", in: page) == 12_288)
        #expect(ComparePhaseRun.metric("up", in: page) == 1)
        #expect(ComparePhaseRun.metric("gone", in: page) == 0)
    }

    @Test func `the sink counts what comes as zstd, and stops`() throws {
        let sink = try #require(BenchSink(port: 0, roundTripMilliseconds: 0))
        sink.open()
        var generator = LoadGenerator(series: 30, samplesPerRequest: 30)
        var plain: [UInt8] = []
        try generator.scrape(time: 1)[0].withUnsafeBytes { try Snappy.decompress($0, into: &plain, limit: 1 << 20) }
        var body: [UInt8] = []
        plain.withUnsafeBytes { Zstd.compress($0, into: &body) }
        let target = try #require(BenchTarget("http://127.0.0.1:\(sink.port)/api/v1/write"))
        guard var connection = BenchConnection(target) else {
            Issue.record("the sink takes no connection")
            return
        }
        let head = "POST / HTTP/1.1\r\nContent-Encoding: zstd\r\nContent-Length: \(body.count)\r\n\r\n"
        #expect(connection.exchange(head: Array(head.utf8), body: body) == 204)
        #expect(sink.samples == 30)
        #expect(throws: BenchFailure.self) { try sink.wait(for: 31, silence: .milliseconds(20)) }
        sink.stop()
        #expect(BenchConnection.get(target)?.status == nil)
    }

    @Test(arguments: [
        ["compare", "--peer", "vmagent"], ["compare", "--peer", "telegraf=/bin/true"],
        ["compare", "--peer", "vmagent=/nowhere"],
        ["compare", "--only", "all"], ["compare", "--rounds", "0"], ["compare", "--url", "http://127.0.0.1:1/"],
        ["compare", "--series", "10000000"], ["ingest", "--rounds", "2"], ["compare", "--rate", "50000000"],
        ["counted"], ["counted", "--step", "all"], ["counted", "--step", "open", "--times", "-1"],
        ["path", "--times", "1"],
    ])
    func `options that cannot work are wrong usage`(words: [String]) {
        #expect(throws: UsageError.self) { try BenchCommand(Arguments(words, for: BenchCommand.help)) }
    }
}
