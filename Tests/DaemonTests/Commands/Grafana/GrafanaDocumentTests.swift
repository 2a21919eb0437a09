import Metrics
import Testing

@testable import Daemon

/// Templates, what is written of them, and what counts as a difference.
@Suite struct GrafanaDocumentTests {
    private static func json(_ text: String) throws -> JSONValue { try JSONValue.parse(Array(text.utf8)) }

    private static func differences(_ stored: String, _ wanted: String) throws -> [String] {
        GrafanaDifference.between(try json(stored), try json(wanted)).map(\.path)
    }

    @Test func `what Grafana has besides, and zeros it leaves out, are no differences`() throws {
        #expect(try Self.differences(#"{"a":1,"id":7,"b":{"c":[1]}}"#, #"{"a":1.0,"b":{"c":[1]}}"#) == [])
        #expect(try Self.differences("{}", #"{"a":null,"b":"","c":[],"d":{},"e":0,"f":false}"#) == [])
        #expect(try Self.differences(#"{"schemaVersion":41}"#, #"{"schemaVersion":39}"#) == [])
    }

    @Test func `a difference says where it is`() throws {
        #expect(try Self.differences(#"{"a":[{"b":1},{"b":2}]}"#, #"{"a":[{"b":1},{"b":3}]}"#) == ["a[1].b"])
        #expect(try Self.differences(#"{"a":[1,2]}"#, #"{"a":[1]}"#) == ["a"], "one too many is one, too")
        #expect(try Self.differences(#"{"a":"x"}"#, #"{"a":null}"#) == ["a"], "null is wanted away")
        #expect(try Self.differences(#"{"schemaVersion":30}"#, #"{"schemaVersion":39}"#) == ["schemaVersion"])
        #expect(try Self.differences("{}", #"{"a":1}"#) == ["a"])
    }

    @Test func `a thousand differences are not told one by one`() throws {
        let wanted = JSONValue.array((0..<1000).map { .int($0 + 1) })
        let stored = JSONValue.array((0..<1000).map { _ in "x" })
        #expect(GrafanaDifference.between(stored, wanted).count == GrafanaDifference.maximum)
    }

    @Test func `a terminal does not obey what Grafana has stored`() throws {
        let difference = GrafanaDifference(
            path: "title", stored: "\u{1B}[2J", wanted: .string(String(repeating: "é", count: 500)))
        #expect(!difference.text.contains("\u{1B}"))
        #expect(difference.text.count < 300)
    }

    @Test func `words are filled in once, and only those that are known`() {
        let filled = GrafanaTemplate.fill(
            .array(["@A@ and @B@", "mail@host", "@C@", "@A@@A@", "@"]), ["A": "@B@", "B": "\"b"])
        #expect(filled == .array(["@B@ and \"b", "mail@host", "@C@", "@B@@B@", "@"]))
    }

    @Test func `nothing of a template is left to be filled in`() {
        for object in GrafanaTenant(tenant: "acme").objects(.init(made: GrafanaDataSource(url: "http://a"))) {
            let text = object.wanted.rendered
            for word in ["TENANT", "UID", "SOURCE", "OWN_SOURCE", "FOLDER", "GROUP"] {
                #expect(!text.contains("@\(word)@"), "\(object.uid)")
            }
        }
    }

    @Test func `Holdfast's own metrics are asked of their own data source, and nothing else is`() throws {
        let objects = GrafanaTenant(tenant: "acme").objects(.init(named: "theirs", own: "ours"))
        #expect(!objects.contains { $0.kind == .dataSource })
        for object in objects where object.kind != .folder {
            let isOwn = object.uid != "hf-board-metrics-acme"
            #expect(object.wanted.rendered.contains("\"ours\"") == isOwn, "\(object.uid)")
            #expect(object.wanted.rendered.contains("\"theirs\"") == !isOwn, "\(object.uid)")
        }
    }

    @Test func `titles differ where Grafana wants them to`() {
        let objects = GrafanaTenant(tenant: "acme").objects(.init(made: GrafanaDataSource(url: "http://a")))
        for kind in [GrafanaObject.Kind.dashboard, .rule] {
            let titles = objects.filter { $0.kind == kind || $0.kind == .folder }.map(\.title)
            #expect(Set(titles).count == titles.count, "\(kind)")
            #expect(titles.allSatisfy { $0.count <= 190 })
        }
    }

    @Test func `a plan reads as the page about it shows it`() throws {
        let tenant = GrafanaTenant(tenant: "acme")
        let objects = tenant.objects(.init(made: GrafanaDataSource(url: "http://mimir.example/prometheus")))
        let differences = GrafanaDifference.between(
            .map(["url": "http://old.example"]), .map(["url": "http://mimir.example/prometheus"]))
        let results = objects.map { object in
            switch object.uid {
            case "hf-source-acme": GrafanaResult(object, .changed, differences: differences)
            case "hf-rule-dead-acme": GrafanaResult(object, .created)
            default: GrafanaResult(object, .unchanged)
            }
        }
        let text = GrafanaReport(results: results, isPlan: true).text
        let root = #filePath.dropLast("Tests/DaemonTests/Commands/Grafana/GrafanaDocumentTests.swift".count)
        let page = String(decoding: try SystemFile.read(root + "docs/grafana.md", limit: 1 << 20), as: UTF8.self)
        #expect(page.contains("```\n\(text)```\n"), "\(text)")
        let rules = objects.count { $0.kind == .rule }
        #expect(rules == 14 && page.contains("| fourteen alert rules"))
    }
}
