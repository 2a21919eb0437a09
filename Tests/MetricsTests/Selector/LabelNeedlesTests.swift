import Metrics
import TestSupport
import Testing

/// Series are told apart by bytes before they are held against a selector.
@Suite struct LabelNeedlesTests {
    private func selector(_ text: String) throws -> SeriesSelector { try SeriesSelector.parse(text) }

    @Test(arguments: [
        #"metric_3_total"#, #"{number="5"}"#, #"metric_3_total{instance="host-1:9100"}"#, #"{zone=""}"#,
        #"{zone!=""}"#, #"metric_1_total{number=~"[0-9]"}"#, #"{nobody="x"}"#, #"{number="5",instance="host-0:9100"}"#,
        #"{number="5",number="6"}"#, #"{__name__="metric_2_total",zone="größe \"\\ \n 1"}"#,
    ])
    func `those that are left out match no selector, and those that hold all of it are left`(_ text: String) throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 1, series: 90, plainOnly: true, using: &random)
        let selector = try selector(text)
        let ids = batch.series.ids(holding: LabelNeedles([selector]))
        let matching = (0..<batch.series.count).filter { selector.matches(batch, series: UInt32($0)) }
        #expect(Set(ids).isSuperset(of: matching) && ids == ids.sorted(), "seed \(random.seed)")
        if selector.matchers.allSatisfy({ if case .equal(let value) = $0.condition { !value.isEmpty } else { false } })
        {
            #expect(ids == matching, "seed \(random.seed)")
        }
    }

    @Test func `what a selector says of absent labels, and a pattern, is no needle`() throws {
        for text in [#"{a=""}"#, #"{a!="b"}"#, #"{a=~"b"}"#, #"{a!~"b"}"#] {
            #expect(LabelNeedles([try selector(text)]).isEmpty)
        }
        #expect(LabelNeedles([]).isEmpty)
    }

    @Test func `of two selectors both must be held`() throws {
        var random = SeededGenerator.fresh()
        let batch = RandomBatch.make(points: 1, series: 90, plainOnly: true, using: &random)
        let both = try [selector("metric_3_total"), selector(#"{instance="host-1:9100"}"#)]
        let ids = batch.series.ids(holding: LabelNeedles(both))
        #expect(ids == ids.filter { id in both.allSatisfy { $0.matches(batch, series: UInt32(id)) } })
        #expect(ids.count == 1, "seed \(random.seed)")
    }
}
