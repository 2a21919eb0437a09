import Glibc
import Metrics
import TestSupport
import Testing
import WALStore

@testable import Daemon

/// What `holdfast sql` takes, and how it writes an answer.
struct SqlCommandTests {
    private func error(_ words: [String]) -> String {
        do throws(UsageError) {
            _ = try SqlCommand(try Arguments(words, for: SqlCommand.help))
            return ""
        } catch {
            return error.description
        }
    }

    @Test(arguments: [
        (["--format", "xml", "SELECT 1"], "none of table, csv and ndjson"),
        (["--json", "--format", "csv"], "--json is"),
        (["--file", "x", "--tenant", "a"], "--file is one spool"), (["--all", "--tenant", "a"], "without --tenant"),
        (["--timeout", "0"], "from 1ms to 1h"), (["--timeout", "2h"], "from 1ms to 1h"),
        (["--memory", "1MiB"], "8MiB"),
        (["SELECT", "1"], "put the SQL into quotes"), (["--timeout", "soon"], "not a duration"),
    ])
    func `a command line that cannot be meant is refused`(_ words: [String], _ said: String) {
        #expect(error(words).contains(said), "\(error(words))")
    }

    @Test func `what can be meant is taken`() {
        for words in [
            ["SELECT 1"], ["--json", "--tenant", "a", "-"], ["--format", "json", "--timeout", "1h"], ["--tables"],
        ] {
            #expect(error(words) == "")
        }
    }

    @Test func `the place of a mistake has a mark below it`() {
        #expect(SqlQuestion.place(7, in: "SELECT nam FROM points") == "\n  SELECT nam FROM points\n         ^")
        #expect(SqlQuestion.place(15, in: "SELECT 1,\n 2 3\nFROM x") == "\n  FROM x\n  ^")
        #expect(SqlQuestion.place(nil, in: "SELECT") == "")
        #expect(SqlQuestion.place(99, in: "SELECT") == "")
    }

    @Test func `the tables that are listed are there, with their columns`() async throws {
        let fixture = try await SqlFixture()
        for table in SqlTables.all {
            let columns = try fixture.answer("SELECT name, hidden FROM pragma_table_xinfo('\(table.name)')", .csv)
                .split(separator: "\n").dropFirst().map(String.init)
            #expect(columns.filter { $0.hasSuffix(",0") } == table.columns.map { "\($0.name),0" }, "\(table.name)")
            #expect(columns.filter { $0.hasSuffix(",1") } == table.hidden.map { "\($0.name),1" }, "\(table.name)")
        }
        #expect(SqlTables.text.contains("points: a stored point"))
    }

    private static let values =
        "SELECT 1 AS a, 2.5 AS b, 'x' AS c, NULL AS d, '' AS e, 9e999 AS f, -9e999 AS g, x'00ff' AS h, 'a,\"b\nc' AS labels"

    @Test(arguments: [
        (SqlForm.csv, "a,b,c,d,e,f,g,h,labels\n1,2.5,x,,\"\",+Inf,-Inf,x'00ff',\"a,\"\"b\nc\"\n"),
        (
            .ndjson,
            #"{"a":1,"b":2.5,"c":"x","d":null,"e":"","f":"+Inf","g":"-Inf","h":"x'00ff'","labels":"a,\"b\nc"}"# + "\n"
        ),
        (
            .table,
            """
            a    b  c     d  e     f     g  h        labels
            1  2.5  x  NULL     +Inf  -Inf  x'00ff'  a,"b c

            """
        ),
    ])
    func `every form spells what has no number`(_ form: SqlForm, _ text: String) async throws {
        #expect(try await SqlFixture().answer(Self.values, form) == text)
    }

    @Test func `labels are an object in NDJSON, and a text of them elsewhere`() async throws {
        let sql = #"SELECT '{"a":"b"}' AS labels, '{"a":"b"}' AS x, '{"a' AS resource"#
        #expect(
            try await SqlFixture().answer(sql, .ndjson)
                == #"{"labels":{"a":"b"},"x":"{\"a\":\"b\"}","resource":"{\"a"}"# + "\n")
    }

    @Test func `a long table is written as it comes, wider where it has to be`() async throws {
        let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000) SELECT x FROM n"
        let lines = try await SqlFixture().answer(sql, .table).split(separator: "\n")
        #expect(lines.count == 10_001)
        #expect(lines[1] == "   1" && lines[10_000] == "10000")
    }

    @Test func `an answer of nothing still says its columns`() async throws {
        #expect(try await SqlFixture().answer("SELECT name, value FROM points", .table) == "name  value\n")
        #expect(try await SqlFixture().answer("SELECT name, value FROM points", .csv) == "name,value\n")
        #expect(try await SqlFixture().answer("SELECT name, value FROM points", .ndjson) == "")
    }

    @Test func `several statements are answered one after the other`() async throws {
        #expect(try await SqlFixture().answer("SELECT 1 AS a; -- and\nSELECT 2 AS b;", .csv) == "a\n1\nb\n2\n")
    }

    @Test func `with several tenants a row says whose it is`() async throws {
        #expect(try await SqlFixture().answer("SELECT 1 AS a", .csv, tenant: "acme") == "tenant,a\nacme,1\n")
    }

    @Test func `what a terminal would obey is not written to one`() async throws {
        #expect(try await SqlFixture().answer("SELECT char(27) || '[2J' AS x", .table) == "x\n\\u{1b}[2J\n")
    }

    @Test func `nobody is waited for longer than the question's time`() async throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        // Full: however long the first rows take, who writes them waits.
        let flags = fcntl(ends[1], F_GETFL)
        #expect(fcntl(ends[1], F_SETFL, flags | O_NONBLOCK) == 0)
        while write(ends[1], [UInt8](repeating: 0, count: 4096), 4096) > 0 {}
        #expect(errno == EAGAIN && fcntl(ends[1], F_SETFL, flags) == 0)
        let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
        var printer = SqlPrinter(.ndjson, tenant: nil, to: SqlSink(ends[1]))
        let database = try await SqlFixture().database()
        let error = #expect(throws: AuditError.self) {
            try database.ask(sql, AuditLimits(time: .seconds(2)), into: &printer)
        }
        #expect(error?.code == .tooLong && error?.message.contains("was not read") == true)
    }
}

/// A spool without points, and answers about it.
private struct SqlFixture {
    let folder: TemporaryFolder

    init() async throws {
        folder = try TemporaryFolder()
        let store = try WALStore(directory: folder.path + "/data", node: NodeConfiguration(), upkeepInterval: nil) {
            _ in
        }
        try await store.configure([SpoolConfiguration(tenant: "acme", backends: [])])
        try await store.withSpool("acme") { (_) async throws(SpoolError) in }
        await store.close()
    }

    func database() throws -> AuditDatabase {
        try AuditDatabase(try AuditFile.of(tenant: "acme", in: folder.path + "/data"))
    }

    func answer(_ sql: String, _ form: SqlForm, tenant: String? = nil) throws -> String {
        let path = folder.path + "/answer"
        let descriptor = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0o600)
        defer { close(descriptor) }
        var printer = SqlPrinter(form, tenant: tenant, to: SqlSink(descriptor))
        try database().ask(sql, AuditLimits(), into: &printer)
        try printer.finish()
        return SystemFile.text(path, limit: 16 << 20) ?? ""
    }
}
