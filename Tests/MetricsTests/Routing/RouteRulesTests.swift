import TestSupport
import Testing

@testable import Metrics

/// Which series go to a backend, and as what.
struct RouteRulesTests {
    private func selectors(_ texts: String...) throws -> [SeriesSelector] {
        try texts.map { try SeriesSelector.parse($0) }
    }

    @Test func `match lets through what one selector takes, drop keeps back what one takes`() throws {
        var fixture = RouteFixture()
        for name in ["up", "go_gc", "node_cpu", "node_temp"] { fixture.add(["__name__": name, "job": "node"]) }
        let rules = RouteRules(
            match: try selectors("up", #"{__name__=~"node_.*"}"#), drop: try selectors("node_temp", "nobody"))
        #expect(fixture.routed(rules) == ["__name__=up,job=node", "-", "__name__=node_cpu,job=node", "-"])
    }

    @Test func `external labels go to series that have none of that name`() {
        var fixture = RouteFixture()
        fixture.add(["__name__": "up"])
        fixture.add(["__name__": "up", "site": "mill"])
        let rules = RouteRules(externalLabels: [.init("site", "harbour"), .init("zone", "7")])
        #expect(fixture.routed(rules) == ["__name__=up,site=harbour,zone=7", "__name__=up,site=mill,zone=7"])
    }

    @Test func `two series that become one are one, in the order of arrival`() throws {
        var fixture = RouteFixture()
        for cpu in ["0", "1", "0"] { fixture.add(["__name__": "m", "cpu": cpu]) }
        var memory = RouteMemory(RouteRules(relabel: [try RelabelRule(action: .labeldrop, regex: "cpu")]))
        let routed = memory.route(fixture.batch)
        #expect(routed.keptSeries == 1)
        #expect(routed.batch.points.series == [0, 0, 0])
        #expect(routed.batch.points.bits == [0, 1, 2])
    }

    @Test func `a kept series is never taken for one that was kept back`() throws {
        var fixture = RouteFixture()
        fixture.add(["__name__": "a"])
        fixture.add(["__name__": "b"])
        let rules = RouteRules(
            match: try selectors("b"), relabel: [try RelabelRule(targetLabel: "__name__", replacement: "a")])
        #expect(fixture.routed(rules) == ["-", "__name__=a"])
    }

    @Test func `a field has the name that a Prometheus would get, and keeps its measurement unless it is renamed`()
        throws
    {
        var fixture = RouteFixture()
        fixture.add(["__name__": "disk", "host": "a"], field: "used")
        fixture.add(["__name__": "disk", "host": "a"], field: "free", flags: .sharesRow)
        fixture.add(["__name__": "disk", "host": "a"], field: "inodes", flags: .sharesRow)
        let site = RouteRules(match: try selectors("disk_used", "disk_free"), externalLabels: [.init("site", "x")])
        var memory = RouteMemory(site)
        let routed = memory.route(fixture.batch)
        #expect(
            RouteFixture.lines(routed)
                == ["__name__=disk,host=a,site=x used", "__name__=disk,host=a,site=x free", "-"])
        #expect(routed.batch.points.flags == [[], .sharesRow, []], "fields of one line stay one line")
        let renamed = RouteRules(relabel: [
            try RelabelRule(
                sourceLabels: ["__name__"], regex: "disk_free", targetLabel: "__name__", replacement: "room")
        ])
        var other = RouteMemory(renamed)
        let result = other.route(fixture.batch)
        #expect(
            RouteFixture.lines(result)
                == ["__name__=disk,host=a used", "__name__=room,host=a value", "__name__=disk,host=a inodes"])
        #expect(result.batch.points.flags == [[], [], []])
    }

    @Test func `attributes of a resource are read by rules`() throws {
        var fixture = RouteFixture()
        fixture.add(["__name__": "m"], resource: [Attribute("service.name", .string("shop"))])
        fixture.add(["__name__": "m"], resource: [Attribute("service.name", .string("till"))])
        let rules = RouteRules(
            match: try selectors(#"{"service.name"="shop"}"#),
            relabel: [try RelabelRule(sourceLabels: ["service.name"], targetLabel: "job")])
        #expect(fixture.routed(rules) == ["__name__=m,job=shop", "-"])
    }

    @Test func `exemplars and metadata go with their series`() throws {
        var fixture = RouteFixture()
        fixture.add(["__name__": "a_total"])
        fixture.add(["__name__": "b"])
        fixture.add(exemplarOf: 0)
        fixture.add(exemplarOf: 1)
        for family in ["a", "b", "gone"] { fixture.add(metadataOf: family) }
        var memory = RouteMemory(RouteRules(match: try selectors("a_total")))
        let routed = memory.route(fixture.batch).batch
        #expect(routed.exemplars.map(\.ordinal) == [0])
        #expect(routed.metadata.map(\.family) == ["a"])
    }

    @Test func `what is said of metrics apart from their series goes where these go`() throws {
        var series = RouteFixture()
        for name in ["a_total", "b"] { series.add(["__name__": name]) }
        var apart = RouteFixture()
        for family in ["a", "b", "unseen"] { apart.add(metadataOf: family) }
        func families(_ rules: RouteRules) -> [String] {
            var memory = RouteMemory(rules)
            #expect(memory.route(apart.batch).batch.metadata.isEmpty != rules.letsAllThrough)
            _ = memory.route(series.batch)
            return memory.route(apart.batch).batch.metadata.map(\.family)
        }
        #expect(families(RouteRules(match: try selectors("a_total"))) == ["a"])
        let renamed = try RelabelRule(
            sourceLabels: ["__name__"], regex: "b", targetLabel: "__name__", replacement: "c")
        #expect(families(RouteRules(relabel: [renamed])) == ["a"])
        #expect(families(RouteRules(externalLabels: [.init("site", "3")])) == ["a", "b", "unseen"])
    }

    @Test func `a sample is the same series everywhere, about so many of them`() {
        var fixture = RouteFixture()
        for number in 0..<4000 { fixture.add(["__name__": "m", "n": "\(number)"]) }
        let half = fixture.routed(RouteRules(sample: 0.5))
        let tenth = fixture.routed(RouteRules(sample: 0.1))
        #expect((1850...2150).contains(half.count { $0 != "-" }))
        #expect((320...480).contains(tenth.count { $0 != "-" }))
        #expect(zip(half, tenth).allSatisfy { $1 == "-" || $0 != "-" }, "a smaller share is a part of a larger one")
        // Written down: spools tell by it what was sent, in every version.
        #expect(tenth.enumerated().filter { $0.element != "-" }.prefix(5).map(\.offset) == RouteRulesTests.firstOfTenth)
    }

    private static let firstOfTenth = [18, 29, 64, 67, 69]

    @Test func `what is remembered says what would be found out`() throws {
        var random = SeededGenerator.fresh()
        let rules = RouteRules(
            drop: try selectors(#"{__name__=~"metric_[0-4]"}"#), sample: 0.8, externalLabels: [.init("site", "x")],
            relabel: [try RelabelRule(action: .labeldrop, regex: "label_0")])
        var (small, large) = (RouteMemory(rules, maximumBytes: 200), RouteMemory(rules))
        for _ in 0..<50 {
            let batch = RandomBatch.make(points: 40, series: 12, using: &random)
            var fresh = RouteMemory(rules)
            let expected = fresh.route(batch)
            #expect(RouteFixture.lines(small.route(batch)) == RouteFixture.lines(expected), "seed \(random.seed)")
            #expect(RouteFixture.lines(large.route(batch)) == RouteFixture.lines(expected), "seed \(random.seed)")
            for ordinal in batch.points.series.indices {
                let isKept = expected.batch.points.series[ordinal] < expected.keptSeries
                #expect(large.keeps(batch, series: batch.points.series[ordinal]) == isKept)
            }
        }
    }

    @Test func `runs of what is kept, and how much is not`() throws {
        var fixture = RouteFixture()
        for name in ["a", "b", "b", "a", "a", "b"] { fixture.add(["__name__": name]) }
        var memory = RouteMemory(RouteRules(match: try selectors("a")))
        let routed = memory.route(fixture.batch)
        var runs: [Range<Int>] = []
        routed.kept(in: 0..<6) { runs.append($0) }
        #expect(runs == [0..<1, 3..<5])
        #expect(routed.excluded(in: 1..<6) == 3)
        runs = []
        routed.kept(in: 1..<4) { runs.append($0) }
        #expect(runs == [3..<4])
        #expect(routed.excluded(in: 3..<3) == 0)
    }

    @Test func `rules read from their text are the same rules`() throws {
        let rules = RouteRules(
            match: try selectors("up", #"{job=~"a|b",x!="\"",y!~"z"}"#), drop: try selectors(#"{"a.b"="c"}"#),
            sample: 0.25,
            externalLabels: [.init("site", "é\n")],
            relabel: [
                try RelabelRule(
                    action: .hashmod, sourceLabels: ["a", "b"], separator: "", modulus: .max, targetLabel: "shard"),
                try RelabelRule(sourceLabels: ["x"], regex: #"(\d+)"#, targetLabel: "y", replacement: "$1$$"),
            ])
        let again = try RouteRules(text: rules.text)
        #expect(again == rules)
        #expect(again.text == rules.text)
        #expect(try RouteRules(text: "{}").isEmpty)
        #expect(RouteRules().text == "{}")
        for text in ["", "{", "[]", #"{"match":["{"]}"#, #"{"relabel":[{"action":"no"}]}"#, #"{"relabel":[{}]}"#]
        where text != "[]" {
            #expect(throws: SelectorError.self) { try RouteRules(text: text) }
        }
    }
}
