import CSQLite
import Metrics
import Synchronization
import TestSupport
import Testing

@testable import WALStore

/// A question changes nothing, ends in time, and finds out what it was not given.
struct AuditGuardTests {
    private func filled(_ fixture: SpoolFixture, rows: Int = 20, points: Int = 100) async throws -> Spool {
        let spool = try await fixture.open()
        for row in 0..<rows {
            _ = try await spool.append(
                Make.request(Make.batch(row * points..<(row + 1) * points, labels: "m\(row % 3)")))
        }
        return spool
    }

    @Test(arguments: [
        "DELETE FROM batches", "DELETE FROM main.batches", "UPDATE main.spool SET tenant = 'x'",
        "DROP TABLE main.batches",
        "INSERT INTO points (name) VALUES ('x')", "CREATE TABLE main.x (y)", "CREATE TEMP TABLE x (y)",
        "ATTACH '/tmp/holdfast-audit-attached.db' AS x", "PRAGMA journal_mode = DELETE", "PRAGMA query_only = 0",
        "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA user_version = 9", "SELECT load_extension('x')", "VACUUM",
        "VACUUM INTO '/tmp/holdfast-audit-attached.db'", "BEGIN", "SAVEPOINT x", "REINDEX", "ANALYZE",
        "CREATE VIRTUAL TABLE temp.x USING points", "DROP VIEW temp.batches", "PRAGMA temp_store_directory = '/'",
    ])
    func `nothing but reading is done`(_ sql: String) async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture, rows: 2)
        let audit = try AuditDatabase(live: fixture.path)
        let error = #expect(throws: AuditError.self) { try audit.rows(sql) }
        #expect(error?.code == .mistake, "\(String(describing: error))")
        #expect(try audit.rows("SELECT count(*) FROM points") == [[200]])
        await spool.close()
    }

    @Test func `a question that takes too long is ended, whatever it does`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        let limits = AuditLimits(time: .milliseconds(50))
        for sql in [
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
            "SELECT count(a.value + b.value + c.value) FROM points a, points b, points c",
        ] {
            let error = #expect(throws: AuditError.self) { try audit.rows(sql, limits) }
            #expect(error?.code == .tooLong)
        }
        #expect(try audit.rows("SELECT count(*) FROM points") == [[2000]])
        await spool.close()
    }

    @Test func `a question that somebody stops ends`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        var (answer, looks) = (Collected(), 0)
        let error = #expect(throws: AuditError.self) {
            try audit.ask("SELECT a.value FROM points a, points b", AuditLimits(), into: &answer) {
                looks += 1
                return looks > 3
            }
        }
        #expect(error?.code == .stopped)
        await spool.close()
    }

    @Test func `a question that makes the log grow too far is ended, and the log is emptied after it`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        var limits = AuditLimits()
        limits.logGrowthBytes = 256 << 10
        // Beside the question, each time somebody looks after it, somebody commits.
        let writer = Mutex(try Connection(path: fixture.path, access: .readWrite))
        var answer = Collected()
        let error = #expect(throws: AuditError.self) {
            try audit.ask("SELECT a.value FROM points a, points b, points c", limits, into: &answer) {
                writer.withLock {
                    try? $0.execute(
                        "INSERT INTO events (kind, at, wall, detail) VALUES ('x', 1, 1, hex(zeroblob(4000)))")
                }
                return false
            }
        }
        #expect(error?.code == .logGrew)
        let busy = try writer.withLock { try $0.integer("PRAGMA wal_checkpoint(TRUNCATE)") }
        #expect(busy == 0)
        await spool.close()
    }

    @Test func `a spool is held while rows are handed out, and not between questions`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture)
        let audit = try AuditDatabase(live: fixture.path)
        #expect(try audit.rows("SELECT count(*) FROM points") == [[2000]])
        let isEmptied = try await spool.emptyLog()
        #expect(isEmptied)
        _ = try await spool.append(Make.request(Make.batch(0..<10)))
        #expect(try audit.rows("SELECT count(*) FROM points") == [[2010]])
        await spool.close()
    }

    @Test func `a question sees one moment`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture, rows: 2)
        let audit = try AuditDatabase(live: fixture.path)
        var first = MomentAnswer(path: fixture.path)
        try audit.ask("SELECT count(*) FROM points UNION ALL SELECT count(*) FROM points", AuditLimits(), into: &first)
        #expect(first.counts == [200, 200])
        #expect(try audit.rows("SELECT count(*) FROM points") == [[0]])
        await spool.close()
    }

    /// Deletes everything when it gets its first row.
    private struct MomentAnswer: AuditAnswer {
        var path: String
        var counts: [Int64] = []

        mutating func begin(columns: [String]) {}
        mutating func end() {}
        mutating func add(_ row: AuditAnswerRow, nanosecondsLeft: () -> Int64) {
            if case .integer(let count) = row[0] { counts.append(count) }
            try? Connection(path: path, access: .readWrite).execute("DELETE FROM batches")
        }
    }

    @Test func `the place of a mistake is told`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture, rows: 1)
        let audit = try AuditDatabase(live: fixture.path)
        for (sql, offset) in [
            ("SELECT nam FROM points", 7), ("SELECT 1; SELECT * FORM points", 19),
            ("-- hello\nSELECT nam FROM points", 16),
        ] {
            let error = #expect(throws: AuditError.self) { try audit.rows(sql) }
            #expect(error?.offset == offset, "\(sql)")
        }
        await spool.close()
    }

    @Test func `a row that cannot be read is named, and left out when that is asked for`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture, rows: 5)
        try Connection(path: fixture.path, access: .readWrite).execute(
            "UPDATE batches SET block = CAST(substr(block, 1, 20) || x'ff' || substr(block, 22) AS BLOB) WHERE sequence = 3"
        )
        let audit = try AuditDatabase(live: fixture.path)
        for sql in [
            "SELECT value FROM points", "SELECT name, count(*) FROM points GROUP BY name", "SELECT name FROM series",
        ] {
            let error = #expect(throws: AuditError.self) { try audit.rows(sql) }
            #expect(error?.code == .damaged && error?.message.contains("sequence 3, with 100 points") == true, "\(sql)")
        }
        #expect(try audit.rows("SELECT count(value) FROM points WHERE sequence <> 3 AND sequence > 3") == [[200]])
        let patient = try AuditDatabase(live: fixture.path, skipsDamage: true)
        #expect(try patient.rows("SELECT count(value) FROM points") == [[400]])
        #expect(patient.damage == AuditDamage(rows: 1, points: 100))
        await spool.close()
    }

    @Test func `numbers of a file that lies are no harm`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture, rows: 5)
        let writer = try Connection(path: fixture.path, access: .readWrite)
        for change in [
            "points = 4611686018427387904", "points = 7", "position = 9223372036854775807", "last_sequence = 9",
            "last_sequence = 9223372036854775807", "points = 0", "first_time = -9223372036854775808",
        ] {
            try writer.execute("SAVEPOINT lie; UPDATE batches SET \(change) WHERE sequence = 3; RELEASE lie")
            let audit = try AuditDatabase(live: fixture.path, skipsDamage: true)
            for columns in [
                "*, position, bits", "count(*)", "max(ordinal), max(sequence), sum(value)", "DISTINCT name",
            ] {
                _ = try audit.rows("SELECT \(columns) FROM points")
                _ = try audit.rows(
                    "SELECT \(columns) FROM points WHERE sequence >= 2 AND sequence < 4 ORDER BY sequence DESC")
            }
            try writer.execute("UPDATE batches SET points = 100, position = 200, last_sequence = 3 WHERE sequence = 3")
        }
        await spool.close()
    }

    @Test func `a file that is no spool, or of a later version, is refused`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await filled(fixture, rows: 1)
        await spool.close()
        let writer = try Connection(path: fixture.path, access: .readWrite)
        for (change, back) in [
            ("PRAGMA user_version = 99", "PRAGMA user_version = \(Schema.current)"),
            ("PRAGMA application_id = 1", "PRAGMA application_id = \(Connection.applicationID)"),
            ("CREATE VIEW x AS SELECT 1", "DROP VIEW x"),
        ] {
            try writer.execute(change)
            let error = #expect(throws: AuditError.self) { _ = try AuditDatabase(live: fixture.path) }
            #expect(error?.code == .unavailable, "\(change)")
            try writer.execute(back)
        }
        _ = try AuditDatabase(live: fixture.path)
    }
}

extension Spool {
    /// Whether the log can begin anew: nobody holds it.
    fileprivate func emptyLog() throws -> Bool { emptyWAL(try openDatabase().connection) }
}
