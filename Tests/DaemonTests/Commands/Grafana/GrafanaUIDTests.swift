import Metrics
import Testing

@testable import Daemon

@Suite struct GrafanaUIDTests {
    @Test func `a uid says what it is, and is the same every time`() {
        #expect(GrafanaUID.of("folder", tenant: "acme") == "hf-folder-acme")
        #expect(GrafanaUID.of("rule", "dead", tenant: "a-b_c") == "hf-rule-dead-a-b_c")
        let long = String(repeating: "x", count: 63)
        #expect(
            GrafanaUID.of("rule", "time_to_full", tenant: long) == GrafanaUID.of("rule", "time_to_full", tenant: long))
    }

    @Test func `no uid is longer than Grafana allows, and none of two tenants are alike`() {
        var seen: [String: String] = [:]
        let tail = String(repeating: "y", count: 60)
        let tenants = (0..<200).flatMap {
            ["t\($0)", "t\($0)-\(tail)".prefix(63).description, "t\($0)_\(tail)".prefix(63).description]
        }
        for tenant in tenants {
            for object in GrafanaTenant(tenant: tenant).objects(.init(made: GrafanaDataSource(url: "http://a"))) {
                #expect(GrafanaUID.isPlain(object.uid), "\(object.uid)")
                let other = seen.updateValue(tenant, forKey: "\(object.kind) \(object.uid)")
                #expect(other == nil, "\(object.uid) is also of \(other ?? "")")
            }
        }
    }

    @Test func `what is hashed is nobody's plain uid`() {
        let hashed = GrafanaUID.of("board", "delivery", tenant: String(repeating: "x", count: 63))
        let rest = hashed.dropFirst("hf-board-delivery-".count)
        #expect(rest.hasPrefix("-") && rest.count == 17, "no tenant begins with a dash: \(hashed)")
    }

    @Test(arguments: ["", "a/b", "a.b", "ä", "a b", String(repeating: "a", count: 41), "../x"])
    func `what is no uid does not get into a path`(text: String) { #expect(!GrafanaUID.isPlain(text)) }
}
