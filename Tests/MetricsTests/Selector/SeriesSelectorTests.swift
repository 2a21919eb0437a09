import TestSupport
import Testing

@testable import Metrics

@Suite struct SeriesSelectorTests {
    private func fault(_ text: String) -> SelectorError? {
        do throws(SelectorError) {
            _ = try SeriesSelector.parse(text)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        ("up", #"{__name__="up"}"#), ("job:up:sum", #"{__name__="job:up:sum"}"#),
        (#" up { job = "a" , path =~ "/api/.*", } "#, #"{__name__="up",job="a",path=~"/api/.*"}"#),
        (#"{a!='b',c!~`d\.`}"#, #"{a!="b",c!~"d\\."}"#),
        (#"{"http.server.duration",x="y"}"#, #"{__name__="http.server.duration",x="y"}"#),
        (#"{"service.name"="web"}"#, #"{"service.name"="web"}"#),
        (#"{a="\"\\\n\x41\u00e4\U0001F600"}"#, "{a=\"\\\"\\\\\\nAä😀\"}"),
        (#"{a=""}"#, #"{a=""}"#),
    ])
    func `a selector is read as Prometheus reads it, and can be written again`(text: String, canonical: String) throws {
        let selector = try SeriesSelector.parse(text)
        #expect(selector.description == canonical)
        #expect(try SeriesSelector.parse(canonical) == selector)
    }

    @Test(arguments: [
        ("", 0), ("{}", 2), ("up{", 3), (#"up{job}"#, 6), (#"up{job=}"#, 7), (#"up{job=a}"#, 7), (#"up{job="a}"#, 7),
        (#"up{job="a" x="b"}"#, 11), (#"up{job="\q"}"#, 9), (#"up{job="a"} x"#, 12), (#"up{job=~"("}"#, 8),
        (#"up{1="a"}"#, 3), (#"{""}"#, 1), (#"{a="\ud800"}"#, 6), (#"{a="\xff"}"#, 3), ("9up", 0), ("up[5m]", 2),
    ])
    func `a mistake is told with its place`(text: String, offset: Int) {
        #expect(fault(text)?.offset == offset, "\(String(describing: fault(text)))")
    }

    @Test func `length and conditions are bounded`() {
        let many = (0...SeriesSelector.maximumMatchers).map { "l\($0)=\"\"" }.joined(separator: ",")
        #expect(fault("{\(many)}") != nil)
        #expect(fault("{a=\"\(String(repeating: "x", count: SeriesSelector.maximumBytes))\"}") != nil)
    }

    private func batch(
        _ labels: [(String, String)], field: String = "", resource: [Attribute] = []
    ) throws -> Batch {
        var batch = Batch()
        var builder = LabelBuilder()
        for (name, value) in labels { builder.add(name, value) }
        try builder.finish()
        var identity = SeriesIdentity()
        identity.field = batch.intern(text: field)
        if !resource.isEmpty { identity.resource = batch.intern(resource: Resource(attributes: resource)) }
        _ = builder.canonical.withUnsafeBytes { batch.series.intern($0, identity: identity) }
        return batch
    }

    private func matches(_ selector: String, _ batch: Batch) throws -> Bool {
        try SeriesSelector.parse(selector).matches(batch, series: 0)
    }

    @Test(arguments: [
        ("up", true), ("down", false), (#"{job="a"}"#, true), (#"up{job="b"}"#, false), (#"{job!="b",zone=""}"#, true),
        (#"{zone!=""}"#, false), (#"{job=~"a|b",instance=~"[a-z]+:\\d+"}"#, true), (#"{instance!~".*:9100"}"#, false),
        (#"{instance=~"host"}"#, false), (#"{__name__=~"u."}"#, true), (#"{zone=~"x?"}"#, true),
    ])
    func `labels decide, and an absent one is empty`(selector: String, isTaken: Bool) throws {
        let series = try batch([("__name__", "up"), ("job", "a"), ("instance", "host:9100")])
        #expect(try matches(selector, series) == isTaken)
    }

    @Test func `a field of line protocol is named as Prometheus gets it`() throws {
        let temperature = try batch([("__name__", "weather"), ("place", "sea")], field: "temperature")
        #expect(try matches(#"weather_temperature{place="sea"}"#, temperature))
        #expect(try !matches("weather", temperature))
        #expect(try matches("weather", batch([("__name__", "weather")], field: "value")))
    }

    @Test func `an attribute of the resource counts where no label has its name`() throws {
        let attributes = [Attribute("service.name", .string("web")), Attribute("shard", .int(7))]
        let series = try batch([("__name__", "up"), ("shard", "label")], resource: attributes)
        #expect(try matches(#"{"service.name"="web"}"#, series))
        #expect(try matches(#"{shard="label"}"#, series))
    }

    @Test func `values that look the same are told apart by their bytes`() throws {
        let series = try batch([("__name__", "up"), ("name", "e\u{301}")])
        #expect(try !matches("{name=\"\u{e9}\"}", series))
        #expect(try matches("{name=\"e\u{301}\"}", series))
    }
}
