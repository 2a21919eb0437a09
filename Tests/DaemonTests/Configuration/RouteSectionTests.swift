import Forwarder
import Metrics
import Testing
import WALStore

@testable import Daemon

/// Rules in the config: where they stand, and what they mean.
@Suite struct RouteSectionTests {
    private func config(_ route: String, tenants: String = "") -> String {
        """
        backends:
          central:
            type: archive
            route:
        \(route.split(separator: "\n").map { "      \($0)" }.joined(separator: "\n"))
          other: { type: archive }
        \(tenants)
        """
    }

    @Test func `rules of a backend are those of each of its tenants, unless a tenant has its own`() throws {
        let tenants = """
            tenants:
              a: {}
              b: { routes: { central: { drop: [up] }, other: { sample: 12.5% } } }
              c: { routes: { central: {} } }
            """
        let configuration = try ConfigurationTests.parse(config("match: [go_gc, '{job=\"x\"}']", tenants: tenants))
        let rules = configuration.routes.reduce(into: [:]) { $0["\($1.tenant) \($1.name)"] = $1.router?.stored.rules }
        #expect(
            rules == [
                "a central": #"{"match":["{__name__=\"go_gc\"}","{job=\"x\"}"]}"#,
                "b central": #"{"drop":["{__name__=\"up\"}"]}"#, "b other": #"{"sample":0.125}"#,
            ])
        #expect(
            configuration.summaryText.contains("backend central: archive, only {__name__=\"go_gc\"} or {job=\"x\"}\n"))
        #expect(
            configuration.summaryText.contains(
                "    to central: without {__name__=\"up\"}\n    to other: 12.5% of the series\n"))
        #expect(configuration.summaryText.contains("    to central: all series, as they are\n"))
    }

    @Test func `relabel rules have Prometheus' keys and defaults`() throws {
        let route = """
            external_labels: { site: harbour, rack: 7 }
            relabel:
              - { source_labels: [instance], regex: '([^:]+):\\d+', target_label: host }
              - { action: labeldrop, regex: instance }
              - { action: hashmod, source_labels: [host, job], modulus: 16, target_label: shard, separator: "" }
              - { target_label: env, replacement: prod }
            """
        let configuration = try ConfigurationTests.parse(config(route))
        let rules = try #require(configuration.backend("central")?.rules)
        #expect(rules.externalLabels == [.init("site", "harbour"), .init("rack", "7")])
        #expect(
            rules.relabel == [
                try RelabelRule(sourceLabels: ["instance"], regex: #"([^:]+):\d+"#, targetLabel: "host"),
                try RelabelRule(action: .labeldrop, regex: "instance"),
                try RelabelRule(
                    action: .hashmod, sourceLabels: ["host", "job"], separator: "", modulus: 16, targetLabel: "shard"),
                try RelabelRule(targetLabel: "env", replacement: "prod"),
            ])
    }

    @Test(arguments: [
        ("match: ['{']", "central.route.match: {:"), ("sample: 0%", "not a share of the series"),
        ("sample: 0.1", "not a share of the series"), ("sample: 101%", "not a share of the series"),
        ("samples: 1%", "did you mean \"sample\"?"), ("external_labels: { __name__: x }", "which is not __name__"),
        ("external_labels: { a: '' }", "and a value"),
        ("relabel: [{ action: hashmods, regex: a }]", "none of replace, keep"),
        ("relabel: [{ source_labels: [a] }]", "replace needs target_label"),
        ("relabel: [{ action: keep, source_label: [a] }]", "keep needs source_labels"),
        ("relabel: [{ regex: '(', target_label: a }]", "relabel[0].regex: \"(\" without \")\""),
        ("relabel: [{ regex: '(?i)x', target_label: a }]", "(?:…) and (?P<name>…)"),
        ("relabel: { regex: x }", "must be a list"),
        (
            "drop: [\(Array(repeating: "up", count: 501).joined(separator: ", "))]", "at most 500 rules"
        ),
    ])
    func `a mistake is named, with its place`(_ route: String, _ words: String) {
        let error = ConfigurationTests.error(config(route))
        #expect(error.contains(words), "\(error)")
    }

    @Test func `rules for a backend that the tenant does not have are a mistake`() {
        let error = ConfigurationTests.error(
            config("drop: [up]", tenants: "tenants: { a: { backends: [other], routes: { centrl: { drop: [up] } } } }"))
        #expect(error.contains("tenants.a.routes: the tenant has no backend \"centrl\""), "\(error)")
    }

    @Test func `a reload says that rules changed`() throws {
        let old = try ConfigurationTests.parse(config("drop: [up]", tenants: "tenants: { a: {} }"))
        let new = try ConfigurationTests.parse(
            config("drop: [down]", tenants: "tenants: { a: { routes: { other: { sample: 1% } } } }"))
        #expect(old.backend("central")?.fingerprint != new.backend("central")?.fingerprint)
        #expect(old.tenants != new.tenants)
    }
}
