import Forwarder
import Metrics
import TestSupport
import Testing
import WALStore

/// The programs in `ops/examples` do what `docs/programs.md` says of them.
@Suite(.timeLimit(.minutes(5)))
struct ExecExampleTests {
    private let fixture: ExecFixture

    init() throws { fixture = try ExecFixture() }

    private static func example(_ name: String) -> String {
        let suffix = "Tests/ForwarderTests/Backends/ExecExampleTests.swift"
        return String(#filePath.dropLast(suffix.count)) + "ops/examples/" + name
    }

    private func query(_ sql: String) throws -> String {
        let result = try ChildProcess.run("/usr/bin/sqlite3", ["\(fixture.folder.path)/points.db", sql])
        #expect(result.exit == .exited(0), "\(result.errors)")
        return result.output
    }

    @Test func `the Python example keeps each point once, however often it is sent`() async throws {
        let database = "\(fixture.folder.path)/points.db"
        let chunk = BackendFixture.chunk(BackendFixture.samples([1.5, 2.5]))
        for _ in 0..<2 {
            let backend = try fixture.make([Self.example("exec_sqlite.py"), database])
            #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
            #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        }
        let rows = try query("SELECT tenant, place, name, labels, time, value FROM points ORDER BY place")
        #expect(
            rows == """
                acme|7.0|up|{"number": "0"}|1790000000000000000|1.5
                acme|7.1|up|{"number": "1"}|1790000000000000000|2.5

                """)
    }

    @Test func `the Python example names what it cannot keep`() async throws {
        var batch = BackendFixture.samples([1])
        let id = BackendFixture.series("word", [], in: &batch)
        batch.append(series: id, time: 5, string: Array("x".utf8))
        let backend = try fixture.make([Self.example("exec_sqlite.py"), "\(fixture.folder.path)/points.db"])
        let reason = DeadLetterReason(code: "refused", excerpt: "only numbers are kept here", status: 0)
        #expect(
            await ExecAttempt.make(backend, BackendFixture.chunk(batch)).outcome
                == .partly([ItemOutcome(runs: [LeasedRun(piece: 0, ordinals: 1..<2)], verdict: .dead(reason))]))
        #expect(try query("SELECT count(*) FROM points") == "1\n")
    }

    @Test func `the shell example appends the lines as they are sent`() async throws {
        let backend = try fixture.make([Self.example("exec_append.sh"), fixture.folder.path])
        var batch = BackendFixture.samples([1, 2, 3])
        let id = BackendFixture.series("odd \\ \"name\"", [("a", " b\tc% $d `e`")], in: &batch)
        batch.points.appendFloat64(series: id, time: 5_000_000, bits: (4.0).bitPattern)
        let chunk = BackendFixture.chunk(batch, runs: 2)
        #expect(await ExecAttempt.make(backend, chunk).outcome == .delivered)
        #expect(
            fixture.text("acme.ndjson") == String(decoding: BackendFixture.encode(backend, chunk).body, as: UTF8.self))
        #expect(await ExecAttempt.make(backend, BackendFixture.chunk(batch, tenant: "other")).outcome == .delivered)
        #expect(fixture.text("other.ndjson")?.split(separator: "\n").count == 4)
    }

    @Test func `the shell example asks for a later try when it cannot write`() async throws {
        let backend = try fixture.make([Self.example("exec_append.sh"), "\(fixture.folder.path)/missing"])
        guard
            case .retry(nil, let reason) = await ExecAttempt.make(
                backend, BackendFixture.chunk(BackendFixture.samples([1]))
            ).outcome
        else {
            Issue.record("it says that it could")
            return
        }
        #expect(reason == "the program asks for a later try: the file could not be written")
    }
}
