import CSQLite
import Metrics
import TestSupport
import Testing

@testable import WALStore

/// What somebody with the file and without the key can do to it is found, with plain SQL on a stopped spool.
@Suite struct ChainTamperingTests {
    /// One way of tampering, and what has to be found.
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var statements: [String]
        var kind: ChainFinding.Kind
        var table: String
        var row: Int64?

        init(_ name: String, _ kind: ChainFinding.Kind, _ table: String, _ row: Int64?, _ statements: String...) {
            testDescription = name
            self.statements = statements
            (self.kind, self.table, self.row) = (kind, table, row)
        }
    }

    static let batches = [
        Case(
            "a block with other bytes", .altered, "batches", 6,
            "UPDATE batches SET block = zeroblob(length(block)) WHERE sequence = 6"),
        Case(
            "a batch received at another time", .altered, "batches", 6,
            "UPDATE batches SET received_wall = received_wall - 1 WHERE sequence = 6"),
        Case(
            "a batch without its tag", .inserted, "batches", 6, "UPDATE batches SET tag = NULL WHERE sequence = 6"),
        Case("the first batch removed", .removed, "batches", nil, "DELETE FROM batches WHERE sequence = 1"),
        Case("one in the middle removed", .removed, "batches", nil, "DELETE FROM batches WHERE sequence = 6"),
        Case("the last one removed", .removed, "batches", nil, "DELETE FROM batches WHERE sequence = 12"),
        Case(
            "a batch without a tag inserted", .inserted, "batches", 50,
            """
            INSERT INTO batches SELECT 50, 50, position + points, points, received_at, received_wall, first_time,
                last_time, 0, block, NULL FROM batches WHERE sequence = 12
            """),
        Case(
            "a batch copied to another sequence, tag and all", .reordered, "batches", 50,
            """
            INSERT INTO batches SELECT 50, 50, position, points, received_at, received_wall, first_time, last_time, 0,
                block, tag FROM batches WHERE sequence = 12
            """),
        Case(
            "two batches that change places", .reordered, "batches", 6,
            "UPDATE batches SET sequence = 1000, last_sequence = 1000 WHERE sequence = 6",
            "UPDATE batches SET sequence = 6, last_sequence = 6 WHERE sequence = 7",
            "UPDATE batches SET sequence = 7, last_sequence = 7 WHERE sequence = 1000"),
        Case(
            "a batch with the block of another", .altered, "batches", 6,
            """
            UPDATE batches SET block = (SELECT block FROM batches b WHERE b.sequence = 7) WHERE sequence = 6
            """),
        Case("a base with other bytes", .altered, "bases", nil, "UPDATE bases SET block = zeroblob(length(block))"),
        Case("a base removed", .removed, "base_copies", nil, "DELETE FROM base_copies"),
    ]

    static let receipts = [
        Case(
            "a receipt of another peer", .altered, "receipts", 5, "UPDATE receipts SET peer = '10.0.0.1' WHERE id = 5"),
        Case("the first receipt removed", .removed, "receipts", nil, "DELETE FROM receipts WHERE id = 1"),
        Case("one in the middle removed", .removed, "receipts", 5, "DELETE FROM receipts WHERE id = 5"),
        Case("the last one removed", .removed, "receipts", nil, "DELETE FROM receipts WHERE id = 12"),
        Case(
            "a receipt inserted", .inserted, "receipts", 13,
            """
            INSERT INTO receipts SELECT 13, sequence, first_ordinal, points, 'forged', 0, NULL, source, peer, 1, 0, 0,
                received_at, received_wall, NULL FROM receipts WHERE id = 12
            """),
        Case(
            "two receipts that change places", .reordered, "receipts", 5, "UPDATE receipts SET id = 1000 WHERE id = 5",
            "UPDATE receipts SET id = 5 WHERE id = 6", "UPDATE receipts SET id = 6 WHERE id = 1000"),
    ]

    /// Of the tables whose rows are alike: one altered, one removed, one inserted.
    static let others: [Case] = [
        ("deliveries", "points = points + 1", "id"), ("dead_letters", "reason = 'too_old'", "origin_ordinal"),
        ("losses", "detail = 'nothing'", "id"), ("events", "detail = 'nothing'", "id"),
    ].flatMap { table, change, place in
        let columns = ChainTable.allCases.first { $0.name.description == table }?.columns.dropFirst() ?? []
        let copied = columns.map { $0 == place ? "\($0) + 500" : $0 }.joined(separator: ", ")
        return [
            Case(
                "\(table): a row altered", .altered, table, 2, "UPDATE \(table) SET \(change) WHERE id = 2"),
            Case("\(table): a row removed", .removed, table, nil, "DELETE FROM \(table) WHERE id = 2"),
            Case(
                "\(table): a row inserted", .inserted, table, 900,
                "INSERT INTO \(table) SELECT 900, \(copied), NULL FROM \(table) WHERE id = 2"),
            Case(
                "\(table): a row put in place of another", .reordered, table, 2,
                "DELETE FROM \(table) WHERE id = 2", "UPDATE \(table) SET id = 2 WHERE id = 3"),
        ]
    }

    static let books = [
        Case(
            "an accepted request more", .state, "spool", 1, "UPDATE spool SET accepted_requests = accepted_requests + 1"
        ),
        Case("another tenant's name", .state, "spool", 1, "UPDATE spool SET tenant_uuid = zeroblob(16)"),
        Case("no state", .state, "spool", 1, "UPDATE spool SET chain_state = NULL"),
        Case(
            "backends that change names", .changed, "backends", nil, "UPDATE backends SET name = iif(id = 1, 'c', 'd')"),
        Case(
            "a backend's count of what was delivered", .changed, "backends", nil,
            "UPDATE backends SET delivered_points = delivered_points + 1, dead_points = dead_points - 1 WHERE id = 1"),
        Case(
            "a former life that was another", .changed, "incarnations", nil,
            "UPDATE incarnations SET first_sequence = first_sequence + 1"),
        Case("a link altered", .links, "links", 1, "UPDATE links SET wall = wall + 1 WHERE id = 1"),
        Case("all links cut", .links, "links", nil, "DELETE FROM links"),
        Case(
            "a link added", .links, "links", 2,
            "INSERT INTO links SELECT 2, kind, wall, 99, life, epoch, NULL, NULL, 0, 0, 0, 0, 0, '', rows, head, rows FROM links"
        ),
        Case(
            "a link of an epoch that never was", .links, "links", 1,
            "UPDATE links SET epoch = -1, kind = 'sealed' WHERE id = 1"),
        Case("a link of a later epoch", .links, "links", 1, "UPDATE links SET epoch = 7 WHERE id = 1"),
        Case(
            "half a span of what a link says was pruned", .links, "links", 1,
            "UPDATE links SET pruned_position = 5 WHERE id = 1"),
        Case(
            "the first link with half a digest", .links, "links", 1, "PRAGMA ignore_check_constraints = ON",
            "UPDATE links SET former = x'00' WHERE id = 1"),
        Case(
            "a receipt with a tag of an epoch that never was", .altered, "receipts", 5,
            "UPDATE receipts SET peer = '10.0.0.1', tag = CAST(substr(tag, 1, 4) || x'ffffffff' || substr(tag, 9) AS BLOB) WHERE id = 5"
        ),
        Case(
            "a receipt with the number 0, which needs no tag", .inserted, "receipts", 0,
            """
            INSERT INTO receipts SELECT 0, sequence, first_ordinal, points, 'forged', 0, NULL, source, '10.0.0.1', 1, 0, 0,
                received_at, received_wall, NULL FROM receipts WHERE id = 12
            """),
        Case(
            "a delivery with a number below 0", .inserted, "deliveries", -3,
            """
            INSERT INTO deliveries SELECT -3, \(ChainTable.deliveries.columns.dropFirst().joined(separator: ", ")), NULL
                FROM deliveries WHERE id = 2
            """),
        Case(
            "written without the key", .gap, "spool", 1, "UPDATE spool SET ledger_version = ledger_version + 1"),
    ]

    @Test(arguments: batches + receipts + others + books)
    func `what was tampered with is found, and where`(_ tampering: Case) async throws {
        let life = try ChainLife()
        try await life.live()
        #expect(try life.verify().findings == [])
        let connection = try Connection(path: life.fixture.path, access: .readWrite)
        for statement in tampering.statements { try connection.execute(statement) }
        connection.close()
        let answer = try life.verify()
        let isFound = answer.findings.contains {
            $0.kind == tampering.kind && $0.table == tampering.table
                && (tampering.row == nil || $0.row == nil || $0.row == tampering.row)
        }
        #expect(isFound, "\(answer.findings)")
        #expect(answer.findings.count <= 6, "no row is accused that is as it was: \(answer.findings)")
    }

    @Test(arguments: [
        ("UPDATE routes SET rules = replace(rules, 'kept', 'gone')", [ChainFinding.Kind.altered]),
        ("DELETE FROM routes", [.removed]),
        ("UPDATE routes SET id = 'AAAAAAAAAAAAAAAA'", [.altered, .removed]),
    ])
    func `rules that deliveries went by are found changed or gone`(
        tampering: String, kinds: [ChainFinding.Kind]
    ) async throws {
        let life = try ChainLife()
        try await life.live()
        let spool = try await life.open()
        try await life.append(spool, 12)
        let lease = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 100)))
        var settlement = Make.all(lease, .delivered)
        settlement.route = StoredRoute(RouteRules(match: [try SeriesSelector.parse("kept")]))
        try await spool.settle(lease, settlement)
        await spool.close()
        #expect(try life.verify().findings == [])
        try life.tamper(tampering)
        let findings = try life.verify().findings
        #expect(findings.map(\.kind) == kinds && findings.allSatisfy { $0.table == "routes" }, "\(findings)")
    }

    @Test(arguments: [Int64.min, -5, 0, 1 << 53, .max])
    func `whatever number a row or a link is given, verify ends and the node goes on`(_ id: Int64) async throws {
        let life = try ChainLife()
        try await life.live()
        try life.tamper(
            "INSERT INTO links SELECT \(id), kind, wall, ledger_version, life, epoch, NULL, NULL, 0, 0, 0, 0, 0, '', rows, "
                + "former, head FROM links LIMIT 1",
            "INSERT INTO dead_letters SELECT \(id), backend_id, origin_sequence + 900, origin_ordinal, request_id, reason, status, "
                + "excerpt, attempts, first_attempt_wall, buried_at, buried_wall, key_id, block, tag FROM dead_letters LIMIT 1"
        )
        let kinds = Set(try life.verify().findings.map(\.kind))
        #expect(kinds.contains(.links) && kinds.contains(.altered), "\(kinds)")
        let spool = try await life.open(ChainRules(sealNanoseconds: 0, maximumLinks: 2))
        for row in 12..<16 { try await life.append(spool, row) }
        await spool.close()
        #expect(try !life.verify().isSound)
    }

    @Test func `a former state of the row of the spool is found by what has come since`() async throws {
        let life = try ChainLife()
        try await life.live()
        let columns = (ChainRow.columns + ["chain_state"]).dropFirst()
        let former = try life.row("SELECT \(columns.joined(separator: ", ")) FROM spool", columns.count)
        let spool = try await life.open()
        try await life.append(spool, 12)
        await spool.close()
        let connection = try Connection(path: life.fixture.path, access: .readWrite)
        let marks = columns.enumerated().map { "\($1) = ?\($0 + 1)" }.joined(separator: ", ")
        try Statement("UPDATE spool SET \(marks)", on: connection).run(values: former)
        connection.close()
        let findings = try life.verify().findings
        #expect(findings.contains { $0.kind == .inserted && $0.table == "batches" }, "\(findings)")
        #expect(findings.contains { $0.kind == .inserted && $0.table == "receipts" }, "\(findings)")
    }

    @Test func `a former state of a delivery is found, though its tag was true`() async throws {
        let life = try ChainLife()
        try await life.live()
        let columns = ChainTable.deliveries.columns + ["tag"]
        let spool = try await life.open()
        try await life.append(spool, 12)
        func take() async throws {
            let lease = try #require(try await spool.lease(backend: "b", limit: LeaseLimit(points: 5)))
            try await spool.settle(lease, Make.all(lease, .delivered))
        }
        try await take()
        let last = "SELECT \(columns.joined(separator: ", ")) FROM deliveries ORDER BY id DESC LIMIT 1"
        let former = try life.row(last, columns.count)
        try await take()
        await spool.close()
        let connection = try Connection(path: life.fixture.path, access: .readWrite)
        let marks = columns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
        try Statement("REPLACE INTO deliveries (\(columns.joined(separator: ", "))) VALUES (\(marks))", on: connection)
            .run(values: former)
        connection.close()
        let findings = try life.verify().findings
        #expect(findings.map(\.kind) == [.changed] && findings.first?.table == "deliveries", "\(findings)")
    }

    @Test func `after a prune and a repack a row that goes is still told from one that the node has deleted`()
        async throws
    {
        let life = try ChainLife()
        try await life.live()
        let spool = try await life.open()
        for backend in ["a", "b"] {
            while let lease = try await spool.lease(backend: backend, limit: LeaseLimit(points: 500)) {
                try await spool.settle(lease, Make.all(lease, .delivered))
            }
        }
        #expect(try await spool.prune(receivedBy: await spool.clock.at - 5_000_000_000) > 0)
        for row in 12..<30 { try await life.append(spool, row) }
        life.fixture.advance(seconds: 100)
        await spool.hurryRepack(targetPoints: 100)
        let (round, _) = await spool.repack(RepackRound())
        #expect(round.tally.mergedRows > 0)
        await spool.close()
        #expect(try life.verify().findings == [])
        let merged = try life.number("SELECT sequence FROM batches WHERE last_sequence > sequence LIMIT 1")
        try life.tamper("DELETE FROM batches WHERE sequence = \(merged)")
        let findings = try life.verify().findings
        #expect(findings.map(\.kind) == [.removed] && findings.first?.table == "batches", "\(findings)")
    }

    @Test func `a row that was altered is found after the node has merged it with others`() async throws {
        let life = try ChainLife()
        try await life.live()
        try life.tamper("UPDATE batches SET received_wall = received_wall + 1 WHERE sequence = 9")
        let spool = try await life.open()
        for row in 12..<20 { try await life.append(spool, row) }
        life.fixture.advance(seconds: 100)
        await spool.hurryRepack(targetPoints: 100)
        _ = await spool.repack(RepackRound())
        await spool.close()
        let findings = try life.verify().findings
        #expect(findings.map(\.kind) == [.altered] && findings.first?.table == "links", "\(findings)")
        #expect(findings.first?.text.contains("batches 9") == true)
        #expect(
            life.fixture.raised("rows of a spool were not as the node had written them when it changed or deleted them")
                == 1)
    }
}

extension ChainLife {
    func row(_ sql: String, _ count: Int) throws -> [SQLValue] {
        let connection = try Connection(path: fixture.path, access: .readOnly)
        defer { connection.close() }
        return try Statement(sql, on: connection).first { row in
            (0..<Int32(count)).map { column in
                if row.isNull(column) { return .null }
                switch row.type(column) {
                case .integer: return .integer(row.integer(column))
                case .text: return .text(row.text(column))
                case .blob: return .blob(row.withBlob(column) { Array($0) })
                }
            }
        } ?? []
    }

    func number(_ sql: String) throws -> Int64 {
        let connection = try Connection(path: fixture.path, access: .readOnly)
        defer { connection.close() }
        return try connection.integer(sql) ?? 0
    }
}

extension Statement {
    enum ValueType { case integer, text, blob }

    /// Of a column that is not NULL.
    func type(_ column: Int32) -> ValueType {
        switch sqlite3_value_type(value(column)) {
        case SQLITE_INTEGER: .integer
        case SQLITE_TEXT: .text
        default: .blob
        }
    }
}
