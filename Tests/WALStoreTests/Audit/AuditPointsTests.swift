import Metrics
import TestSupport
import Testing

@testable import WALStore

/// `points` and `series` show what is stored, however it is stored.
struct AuditPointsTests {
    /// A point as a model has it.
    private struct Stored: Hashable {
        var sequence: Int64
        var ordinal: Int64
        var time: Int64
        var name: String
        var labels: [String: String]
        var field: String
        var kind: PointKind
        var bits: UInt64
    }

    private func model(_ batch: Batch, sequence: Int64) -> [Stored] {
        (0..<batch.points.count).map { ordinal in
            let id = batch.points.series[ordinal]
            var labels: [String: String] = [:]
            batch.series.withLabels(of: id) { bytes in
                for label in LabelIterator(bytes) { labels[label.nameString] = label.valueString }
            }
            let name = labels.removeValue(forKey: "__name__") ?? ""
            return Stored(
                sequence: sequence, ordinal: Int64(ordinal), time: batch.points.times[ordinal], name: name,
                labels: labels,
                field: batch.field(of: id), kind: batch.points.kind(at: ordinal), bits: batch.points.bits[ordinal])
        }
    }

    private func stored(_ row: [Cell]) throws -> Stored {
        guard case .integer(let sequence) = row[0], case .integer(let ordinal) = row[1],
            case .integer(let time) = row[2],
            case .text(let name) = row[3], case .text(let json) = row[4], case .text(let kind) = row[6]
        else { throw Unexpected(row: row) }
        let members = try #require(try JSONValue.parse(Array(json.utf8)).object)
        var field = ""
        if case .text(let text) = row[5] { field = text }
        let kinds = ["float", "int", "uint", "bool", "string", "histogram", "exponential_histogram", "summary"]
        let number = try #require(kinds.firstIndex(of: kind))
        var bits: UInt64 = 0
        if case .integer(let value) = row[7] { bits = UInt64(bitPattern: value) }
        return Stored(
            sequence: sequence, ordinal: ordinal, time: time, name: name,
            labels: Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value.string ?? "") }), field: field,
            kind: PointKind.allCases[number], bits: bits)
    }

    private struct Unexpected: Error { var row: [Cell] }
    private static let columns = "sequence, ordinal, time, name, labels, field, kind, bits"

    /// Without an index into a table, which is of its batch.
    private func comparable(_ points: [Stored]) -> [Stored] {
        points.map { point in
            var point = point
            if !point.kind.isScalar { point.bits = 0 }
            return point
        }
    }

    @Test(arguments: [false, true])
    func `whatever is stored is there, once, with its place, time, series and value, in order`(merged: Bool)
        async throws
    {
        var random = SeededGenerator.fresh()
        let seed = random.seed
        let fixture = try SpoolFixture(bases: .eager)
        let spool = try await fixture.open()
        var expected: [Stored] = []
        for sequence in 1...24 {
            let batch = RandomBatch.make(
                points: Int.random(in: 1...60, using: &random), series: 12, plainOnly: sequence % 3 != 0, using: &random
            )
            _ = try await spool.append(Make.request(batch))
            expected += model(batch, sequence: Int64(sequence))
            fixture.advance(seconds: 1)
        }
        if merged {
            fixture.advance(seconds: 60)
            await spool.hurryRepack(targetPoints: 300)
            #expect(await spool.repack(RepackRound()).0.tally.mergedRows > 0)
        }
        let audit = try AuditDatabase(live: fixture.path)
        let found = try audit.rows("SELECT \(Self.columns) FROM points").map(stored)
        #expect(found == comparable(expected), "seed \(seed)")
        let backwards = try audit.rows("SELECT \(Self.columns) FROM points ORDER BY sequence DESC, ordinal DESC").map(
            stored)
        #expect(backwards == comparable(expected).reversed(), "seed \(seed)")
        let positions = try audit.rows("SELECT position, rowid FROM points")
        #expect(positions == expected.indices.map { [.integer(Int64($0)), .integer(Int64($0))] })
        // Any question is answered as SQLite itself would answer it of the whole table.
        for _ in 0..<30 {
            let low = Int64.random(in: 0...25, using: &random)
            let times = expected.map(\.time)
            let (from, name) = (times[Int(random.next() % UInt64(times.count))], "metric_\(random.next() % 8)_total")
            let position = Int64(random.next() % UInt64(expected.count))
            for (condition, keeps) in [
                ("sequence >= \(low)", { $0.0.sequence >= low }), ("sequence < \(low)", { $0.0.sequence < low }),
                ("sequence > \(low).5", { $0.0.sequence > low }), ("sequence >= \(low).5", { $0.0.sequence > low }),
                ("sequence < \(low).5", { $0.0.sequence <= low }), ("sequence <= \(low).5", { $0.0.sequence <= low }),
                ("sequence = \(low).5", { _ in false }), ("sequence < 1e300", { _ in true }),
                ("sequence > 1e300", { _ in false }), ("sequence >= -1e300", { _ in true }),
                ("sequence = \(low)", { $0.0.sequence == low }), ("time > \(from)", { $0.0.time > from }),
                ("time <= \(from)", { $0.0.time <= from }), ("time = \(from)", { $0.0.time == from }),
                ("name = '\(name)'", { $0.0.name == name }),
                ("name IN ('\(name)', 'metric_1_total')", { [name, "metric_1_total"].contains($0.0.name) }),
                ("name = '\(name)' AND time >= \(from)", { $0.0.name == name && $0.0.time >= from }),
                (
                    "position BETWEEN \(position) AND \(position + 40)",
                    { (position...position + 40).contains(Int64($0.1)) }
                ),
            ] as [(String, ((Stored, Int)) -> Bool)] {
                let wanted = comparable(expected).enumerated().filter { keeps(($0.element, $0.offset)) }.map(\.element)
                let found = try audit.rows("SELECT \(Self.columns) FROM points WHERE \(condition)").map(stored)
                #expect(found == wanted, "\(condition), seed \(seed)")
            }
            try expectPlaces(
                expected, of: Int.random(in: 0..<12, using: &random), from: from, position: position, audit, seed)
        }
        let counted = try audit.rows("SELECT name, count(*) FROM points GROUP BY name ORDER BY name")
        let names = Dictionary(grouping: expected, by: \.name)
        #expect(
            counted == names.keys.sorted().map { [.text($0), .integer(Int64(names[$0]?.count ?? 0))] }, "seed \(seed)")
        #expect(try audit.rows("SELECT DISTINCT name FROM points") == names.keys.sorted().map { [.text($0)] })
        #expect(try audit.rows("SELECT count(*) FROM points") == [[.integer(Int64(expected.count))]])
        let summed = try audit.rows(
            "SELECT sum(points), min(first_time), max(last_time), (SELECT sum(points) FROM batches) FROM series")
        let times = expected.map(\.time)
        #expect(
            summed == [
                [
                    .integer(Int64(expected.count)), .integer(times.min() ?? 0), .integer(times.max() ?? 0),
                    .integer(Int64(expected.count)),
                ]
            ])
        await spool.close()
    }

    /// Where nothing but places and times of few series is asked for, their points are looked for.
    private func expectPlaces(
        _ all: [Stored], of series: Int, from: Int64, position: Int64, _ audit: AuditDatabase, _ seed: UInt64
    ) throws {
        let selector = "match = '{number=\"\(series)\"}'"
        for (condition, keeps) in [
            (selector, { _ in true }), ("\(selector) AND time >= \(from)", { $0.0.time >= from }),
            ("\(selector) AND time < \(from)", { $0.0.time < from }),
            ("\(selector) AND position > \(position)", { $0.1 > position }),
            ("\(selector) AND position <= \(position)", { $0.1 <= position }),
            ("\(selector) AND sequence = 7", { $0.0.sequence == 7 }),
        ] as [(String, ((Stored, Int64)) -> Bool)] {
            let wanted = all.enumerated().filter {
                $0.element.labels["number"] == "\(series)" && keeps(($0.element, Int64($0.offset)))
            }.map { offset, point -> [Cell] in
                [.integer(point.sequence), .integer(point.ordinal), .integer(point.time), .integer(Int64(offset))]
            }
            let question = "FROM points WHERE \(condition) ORDER BY sequence"
            for places in ["sequence, ordinal, time, position", "sequence, ordinal, time, position, name, labels"] {
                let found = try audit.rows("SELECT \(places) \(question), ordinal").map { Array($0.prefix(4)) }
                #expect(found == wanted, "\(condition), seed \(seed)")
                let backwards = try audit.rows("SELECT \(places) \(question) DESC, ordinal DESC").map {
                    Array($0.prefix(4))
                }
                #expect(backwards == wanted.reversed(), "\(condition), seed \(seed)")
            }
        }
    }

    @Test func `values are what they were, and what SQLite has no word for is said beside them`() async throws {
        let fixture = try SpoolFixture()
        let spool = try await fixture.open()
        var batch = Make.batch(0..<0)
        let id = batch.series.intern(Make.batch(0..<1).series.labelBytes, identity: .plain)
        let doubles = [1.5, .infinity, -.infinity].map(\.bitPattern) + [FloatBits.staleMarker, FloatBits.normalNaN]
        for bits in doubles { batch.points.appendFloat64(series: id, time: 1, bits: bits) }
        batch.points.append(series: id, time: 1, kind: .int64, bits: UInt64(bitPattern: -7))
        batch.points.append(series: id, time: 1, kind: .uint64, bits: .max)
        batch.points.append(series: id, time: 1, kind: .bool, bits: 1)
        batch.append(series: id, time: 1, string: Array("hello".utf8))
        batch.append(series: id, time: 1, string: [0xff, 0])
        let summary = Summary(count: 3, sumBits: (4.5).bitPattern, quantiles: [])
        batch.append(series: id, time: 1, summary: summary)
        _ = try await spool.append(Make.request(batch))
        let audit = try AuditDatabase(live: fixture.path)
        let rows = try audit.rows("SELECT value, stale, kind FROM points")
        #expect(
            rows.map { $0[0] } == [
                .float(1.5), .float(.infinity), .float(-.infinity), .null, .null, -7, .float(Double(UInt64.max)), 1,
                "hello", .blob([0xff, 0]), #"{"count":3,"sum":4.5,"quantiles":[]}"#,
            ])
        #expect(rows.map { $0[1] } == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
        #expect(try audit.rows("SELECT value ->> 'count' FROM points WHERE kind = 'summary'") == [[3]])
        await spool.close()
    }
}

extension SeriesTable {
    fileprivate mutating func intern(_ labels: [UInt8], identity: SeriesIdentity) -> UInt32 {
        labels.withUnsafeBytes { intern($0, identity: identity) }
    }
}
