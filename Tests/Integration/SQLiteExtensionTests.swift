import Foundation
import TestSupport
import Testing

/// The spool's tables in other programs: Debian's `sqlite3`, and Python's module.
@Suite(.serialized, .timeLimit(.minutes(3))) struct SQLiteExtensionTests {
    /// Built beside the binary under test: without it these tests fail, and say what is missing.
    private static let library =
        URL(fileURLWithPath: Workbench.holdfast).deletingLastPathComponent().path + "/libholdfast-sql.so"

    private func spool(_ bench: Workbench) async throws -> (HoldfastNode, String) {
        try #require(FileManager.default.fileExists(atPath: Self.library), "there is no \(Self.library)")
        let node = try HoldfastNode(
            bench,
            config: """
                backends:
                  nobody: { type: prometheus_remote_write, url: "http://127.0.0.1:1/api/v1/write" }
                tenants:
                  default: { backends: [nobody] }
                """)
        try await node.start()
        let lines = (0..<50).map {
            #"{"name":"metric_\#($0 % 2)","labels":{"n":"\#($0 % 5)"},"value":\#($0),"timestamp_ms":1000}"#
        }
        let sent = try await Web.post(
            "\(node.url)/api/v1/json", lines.joined(separator: "\n"), headers: ["Content-Type": "application/x-ndjson"])
        #expect(sent.status == 200)
        return (node, "\(node.dataFolder)/tenants/default/spool.db")
    }

    @Test func `the sqlite3 shell has the same tables of a spool that a node has open`() async throws {
        let bench = try Workbench("extension")
        let (node, spool) = try await spool(bench)
        for (sql, answer) in [
            ("SELECT name, count(*), sum(value) FROM points GROUP BY name", "metric_0|25|600.0\nmetric_1|25|625.0\n"),
            (
                "SELECT value FROM points('metric_1{n=\"3\"}') WHERE time = ts('1970-01-01T00:00:01Z')",
                "3.0\n13.0\n23.0\n33.0\n43.0\n"
            ),
            ("SELECT request_part, points, source FROM receipts", "0|50|json\n"),
            ("SELECT backend, points FROM pending", "nobody|50\n"),
            ("SELECT labels ->> 'n' FROM series WHERE name = 'metric_0' ORDER BY 1 LIMIT 2", "0\n1\n"),
        ] {
            let found = try run("/usr/bin/sqlite3", ["file:\(spool)?mode=ro", ".load \(Self.library)", sql])
            #expect(found.output == answer && found.errors == "", "\(sql): \(found)")
        }
        #expect(node.process.isRunning)
        #expect(try node.status().accepted == 50)
    }

    @Test func `a connection that can write is refused, and so is a file that is no spool`() async throws {
        let bench = try Workbench("extension-refused")
        let (_, spool) = try await spool(bench)
        let writing = try run("/usr/bin/sqlite3", [spool, ".load \(Self.library)", "SELECT count(*) FROM points"])
        #expect(writing.errors.contains("a spool is opened read-only"), "\(writing)")
        let other = bench.path("other.db")
        #expect(try run("/usr/bin/sqlite3", [other, "CREATE TABLE x (y)"]).status == 0)
        let foreign = try run("/usr/bin/sqlite3", ["file:\(other)?mode=ro", ".load \(Self.library)"])
        #expect(foreign.errors.contains("the file is no spool"), "\(foreign)")
    }

    @Test func `Python's module loads it, and there is one SQLite in the process`() async throws {
        let bench = try Workbench("extension-python")
        let (_, spool) = try await spool(bench)
        let script = """
            import sqlite3, sys
            connection = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
            connection.enable_load_extension(True)
            connection.load_extension(sys.argv[2])
            print(connection.execute("SELECT max(value) FROM points WHERE name = ?", ("metric_1",)).fetchone()[0])
            print(len({line.split()[-1] for line in open("/proc/self/maps") if "libsqlite3" in line}))
            """
        let found = try run("/usr/bin/python3", ["-c", script, spool, Self.library])
        #expect(found.output == "49.0\n1\n", "\(found)")
    }
}
