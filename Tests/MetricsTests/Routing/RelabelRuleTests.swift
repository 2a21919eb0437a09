import Testing

@testable import Metrics

/// Rules in Prometheus' form mean here what they mean there.
struct RelabelRuleTests {
    private func apply(_ rules: [RelabelRule], _ labels: KeyValuePairs<String, String>) -> String? {
        var fixture = RouteFixture()
        fixture.add(labels)
        let line = fixture.routed(RouteRules(relabel: rules))[0]
        return line == "-" ? nil : line
    }

    private static let series: KeyValuePairs = ["__name__": "up", "a": "foo", "b": "bar", "c": "baz"]

    private static let cases: [(String, [RelabelRule], String?)] = {
        do {
            return [
                (
                    "a replacement with groups",
                    [
                        try RelabelRule(
                            sourceLabels: ["a"], regex: "f(.*)", targetLabel: "d", replacement: "ch${1}-ch${1}")
                    ], "__name__=up,a=foo,b=bar,c=baz,d=choo-choo"
                ),
                (
                    "several labels, and a later rule sees what an earlier one did",
                    [
                        try RelabelRule(
                            sourceLabels: ["a", "b"], regex: "f(.*);(.*)r", targetLabel: "a", replacement: "b${1}${2}m"),
                        try RelabelRule(
                            sourceLabels: ["c", "a"], regex: "(b).*b(.*)ba(.*)", targetLabel: "d",
                            replacement: "$1$2$2$3"),
                    ], "__name__=up,a=boobam,b=bar,c=baz,d=boooom"
                ),
                (
                    "a rule that matches nothing does nothing",
                    [try RelabelRule(sourceLabels: ["a"], regex: "o+", targetLabel: "d", replacement: "x")],
                    "__name__=up,a=foo,b=bar,c=baz"
                ),
                (
                    "an expression that takes a part only matches nothing",
                    [try RelabelRule(action: .drop, sourceLabels: ["a"], regex: "fo")], "__name__=up,a=foo,b=bar,c=baz"
                ),
                ("drop", [try RelabelRule(action: .drop, sourceLabels: ["a"], regex: ".*o.*")], nil),
                ("keep, of others", [try RelabelRule(action: .keep, sourceLabels: ["a"], regex: "no-match")], nil),
                (
                    "keep, of a label that is not there",
                    [try RelabelRule(action: .keep, sourceLabels: ["x"], regex: "")], "__name__=up,a=foo,b=bar,c=baz"
                ),
                (
                    "a value that becomes empty goes",
                    [try RelabelRule(sourceLabels: ["a"], regex: "(f).*", targetLabel: "a", replacement: "$2")],
                    "__name__=up,b=bar,c=baz"
                ),
                (
                    "a target with a group in it",
                    [
                        try RelabelRule(
                            sourceLabels: ["a"], regex: "(f)(o+)", targetLabel: "l_${1}", replacement: "$2")
                    ], "__name__=up,a=foo,b=bar,c=baz,l_f=oo"
                ),
                (
                    "names of groups, and dollar signs",
                    [
                        try RelabelRule(
                            sourceLabels: ["a"], regex: "(?P<head>.)(.*)", targetLabel: "a",
                            replacement: "$$-${head}-$1x-$01-$-${")
                    ], "__name__=up,a=$-f---$-${,b=bar,c=baz"
                ),
                (
                    "labelmap",
                    [try RelabelRule(action: .labelmap, regex: "(a|b)", replacement: "x_$1")],
                    "__name__=up,a=foo,b=bar,c=baz,x_a=foo,x_b=bar"
                ),
                (
                    "labeldrop and labelkeep",
                    [
                        try RelabelRule(action: .labeldrop, regex: "a"),
                        try RelabelRule(action: .labelkeep, regex: "__name__|b"),
                    ],
                    "__name__=up,b=bar"
                ),
                (
                    "lowercase and uppercase",
                    [
                        try RelabelRule(
                            action: .uppercase, sourceLabels: ["a", "b"], separator: "-", targetLabel: "d"),
                        try RelabelRule(action: .lowercase, sourceLabels: ["d"], targetLabel: "e"),
                    ], "__name__=up,a=foo,b=bar,c=baz,d=FOO-BAR,e=foo-bar"
                ),
                (
                    "keepequal and dropequal",
                    [
                        try RelabelRule(sourceLabels: ["a"], targetLabel: "z"),
                        try RelabelRule(action: .keepequal, sourceLabels: ["a"], targetLabel: "z"),
                    ], "__name__=up,a=foo,b=bar,c=baz,z=foo"
                ),
                ("dropequal", [try RelabelRule(action: .dropequal, sourceLabels: ["a"], targetLabel: "a")], nil),
                (
                    "hashmod: 74 is the MD5 of foo;bar's sibling a;b modulo 1000",
                    [
                        try RelabelRule(targetLabel: "a", replacement: "a"),
                        try RelabelRule(targetLabel: "b", replacement: "b"),
                        try RelabelRule(action: .hashmod, sourceLabels: ["a", "b"], modulus: 1000, targetLabel: "d"),
                        try RelabelRule(action: .hashmod, sourceLabels: ["none"], modulus: 8, targetLabel: "e"),
                    ], "__name__=up,a=a,b=b,c=baz,d=74,e=6"
                ),
                (
                    "what begins with __tmp is for later rules only",
                    [
                        try RelabelRule(sourceLabels: ["a"], targetLabel: "__tmp_a"),
                        try RelabelRule(sourceLabels: ["__tmp_a"], targetLabel: "d"),
                    ], "__name__=up,a=foo,b=bar,c=baz,d=foo"
                ),
                ("a series without a name is none", [try RelabelRule(action: .labeldrop, regex: "__name__")], nil),
                (
                    "a renamed metric",
                    [try RelabelRule(sourceLabels: ["__name__"], targetLabel: "__name__", replacement: "site_$1")],
                    "__name__=site_up,a=foo,b=bar,c=baz"
                ),
            ]
        } catch { preconditionFailure("these rules are valid: \(error)") }
    }()

    @Test(arguments: cases.indices) func `a series comes out as Prometheus has it`(index: Int) {
        let (name, rules, expected) = RelabelRuleTests.cases[index]
        #expect(apply(rules, RelabelRuleTests.series) == expected, "\(name)")
    }

    /// Of RFC 1321, A.5, and lengths around a block's end, by another MD5.
    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"), ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (String(repeating: "1234567890", count: 8), "57edf4a22be3c955ac49da2e2107b67a"),
        (String(repeating: "x", count: 55), "04364420e25c512fd958a70738aa8f72"),
        (String(repeating: "x", count: 56), "668a72d5ba17f08e62dabcafad6db14b"),
        (String(repeating: "x", count: 64), "c1bb4f81d892b2d57947682aeb252456"),
    ])
    func `the hash is MD5`(text: String, digest: String) {
        let hex = MD5.digest(Array(text.utf8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        #expect(hex == digest)
    }

    @Test func `a character that would become several stays, whatever stands beside it`() throws {
        let upper = try RelabelRule(action: .uppercase, sourceLabels: ["a"], targetLabel: "u")
        let lower = try RelabelRule(action: .lowercase, sourceLabels: ["a"], targetLabel: "l")
        #expect(apply([upper, lower], ["__name__": "m", "a": "ßöΣ"]) == "__name__=m,a=ßöΣ,l=ßöσ,u=ßÖΣ")
    }

    @Test func `what grows without end between rules is kept back`() throws {
        let twice = try RelabelRule(sourceLabels: ["a"], targetLabel: "a", replacement: "$1$1")
        #expect(apply(Array(repeating: twice, count: 60), RelabelRuleTests.series) == nil)
        let more = try (0..<30).map { try RelabelRule(action: .labelmap, regex: "([a-z_]*)", replacement: "x\($0)_$1") }
        #expect(apply(more, RelabelRuleTests.series) != nil)
        let doubling = try (0..<30).map { _ in try RelabelRule(action: .labelmap, regex: "(.*)", replacement: "x_$1") }
        #expect(apply(doubling, RelabelRuleTests.series) != nil)
        let wide = try (0..<12).map { try RelabelRule(action: .labelmap, regex: "(.*)", replacement: "x\($0)_$1") }
        #expect(apply(wide, RelabelRuleTests.series) == nil)
    }

    @Test func `a rule that makes no sense is refused`() {
        #expect(throws: SelectorError.self) { try RelabelRule(sourceLabels: ["a"]) }
        #expect(throws: SelectorError.self) { try RelabelRule(action: .keep) }
        #expect(throws: SelectorError.self) { try RelabelRule(action: .hashmod, sourceLabels: ["a"], targetLabel: "b") }
        #expect(throws: SelectorError.self) { try RelabelRule(action: .labelmap, sourceLabels: ["a"]) }
        #expect(throws: SelectorError.self) { try RelabelRule(modulus: 3, targetLabel: "b") }
        #expect(throws: SelectorError.self) { try RelabelRule(regex: "(", targetLabel: "b") }
    }
}
