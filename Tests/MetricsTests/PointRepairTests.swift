import TestSupport
import Testing

@testable import Metrics

struct PointRepairTests {
    private func point(_ labels: [(String, String)], time: Int64 = 1000, start: Int64 = 0) throws -> Batch {
        var builder = LabelBuilder()
        for (name, value) in labels { builder.add(name, value) }
        try builder.finish()
        var batch = Batch()
        var identity = SeriesIdentity.plain
        identity.unit = batch.intern(text: "s")
        identity.kind = .counter
        let id = builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
        batch.points.append(series: id, time: time, kind: .int64, bits: 7, startTime: start)
        batch.exemplars = [Exemplar(series: id, ordinal: 0, labels: [], valueBits: 1, time: 5)]
        return batch
    }

    private func repaired(
        _ labels: [(String, String)], _ change: (inout PointRepair) -> Void
    ) throws -> [String] {
        var repair = PointRepair()
        change(&repair)
        let batch = try repair.repaired(point(labels))
        let id = batch.points.series[0]
        #expect(batch.series.count == 1 && batch.exemplars[0].series == id)
        #expect(batch.unit(of: id) == "s" && batch.series.identity(of: id).kind == .counter)
        #expect(batch.points.bits == [7] && batch.points.kind(at: 0) == .int64)
        return batch.series.withLabels(of: id) { LabelIterator($0).map { "\($0.nameString)=\($0.valueString)" } }
    }

    private let labels = [("__name__", "up"), ("path", "/äöü"), ("job", "x")]

    @Test func `nothing asked is nothing changed`() throws {
        let whole = try point(labels)
        #expect(try PointRepair().repaired(whole) == whole)
    }

    @Test func `labels are renamed, then dropped, then truncated`() throws {
        #expect(
            try repaired(labels) {
                $0.renames = [
                    .init(from: "path", to: "a_route"), .init(from: "__name__", to: "job"),
                    .init(from: "job", to: "__name__"),
                ]
            } == ["__name__=x", "a_route=/äöü", "job=up"])
        #expect(
            try repaired(labels) {
                $0.renames = [.init(from: "path", to: "route")]
                $0.drops = ["route", "nobody"]
            } == ["__name__=up", "job=x"])
        #expect(
            try repaired(labels) {
                $0.renames = [.init(from: "path", to: "route")]
                $0.truncations = [.init(name: "route", bytes: 3), .init(name: "job", bytes: 1)]
            } == ["__name__=up", "job=x", "route=/ä"])
    }

    @Test(arguments: [
        (0, ""), (1, "/"), (2, "/"), (3, "/ä"), (4, "/ä"), (5, "/äö"), (6, "/äö"), (7, "/äöü"), (99, "/äöü"),
    ])
    func `a value is cut between two characters, and an empty one is no label`(bytes: Int, value: String) throws {
        let left = try repaired(labels) { $0.truncations = [.init(name: "path", bytes: bytes)] }
        #expect(left.contains("path=\(value)") == !value.isEmpty)
        #expect(left.count == (value.isEmpty ? 2 : 3))
    }

    @Test func `labels that no series can have are refused`() throws {
        func fault(_ change: (inout PointRepair) -> Void) throws -> LabelFault? {
            var repair = PointRepair()
            change(&repair)
            let whole = try point(labels)
            do throws(LabelFault) {
                _ = try repair.repaired(whole)
                return nil
            } catch {
                return error
            }
        }
        #expect(try fault { $0.renames = [.init(from: "path", to: "job")] } == .duplicateName)
        #expect(try fault { $0.drops = ["__name__"] } == .noMetricName)
        #expect(try fault { $0.renames = [.init(from: "path", to: "")] } == .emptyName)
    }

    @Test(
        arguments: [
            (nil, nil, 1000, 900), (500, nil, 1000, 900), (1500, nil, 1500, 900), (nil, 1500, 1000, 900),
            (nil, 950, 950, 900), (nil, 300, 300, 300), (1200, 1400, 1200, 900), (100, 200, 200, 200),
        ] as [(Int64?, Int64?, Int64, Int64)])
    func `a time is moved to where it may be, and never before its start`(
        earliest: Int64?, latest: Int64?, time: Int64, start: Int64
    ) throws {
        var repair = PointRepair()
        (repair.earliest, repair.latest) = (earliest, latest)
        let batch = try repair.repaired(point(labels, time: 1000, start: 900))
        #expect(batch.points.times == [time])
        #expect(batch.points.startTime(at: 0) == start)
    }
}
