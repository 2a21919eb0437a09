import Metrics

/// All that a tenant is to have in Grafana.
struct GrafanaTenant: Sendable {
    /// Which data sources its dashboards and rules ask.
    struct Sources: Sendable {
        /// nil: `named` is there already.
        var made: GrafanaDataSource?
        var named: String?
        /// Where Holdfast's own metrics are; nil: with the tenant's.
        var own: String?
    }

    var tenant: String

    var folder: String { GrafanaUID.of("folder", tenant: tenant) }
    var dataSource: String { GrafanaUID.of("source", tenant: tenant) }
    /// The group that its rules are in, in its folder.
    var ruleGroup: String { GrafanaUID.of("rules", tenant: tenant) }

    private static let boards: [(name: String, template: GrafanaTemplate)] = [
        ("delivery", .delivery), ("metrics", .metrics),
    ]

    /// In the order in which they are made: each stands on those before it.
    func objects(_ sources: Sources) -> [GrafanaObject] {
        let title = "Holdfast: \(tenant)"
        var objects = [
            GrafanaObject(
                kind: .folder, tenant: tenant, uid: folder, title: title, wanted: .map(["title": .string(title)]))
        ]
        if let made = sources.made { objects.append(made.object(tenant: tenant, uid: dataSource)) }
        let source = sources.made == nil ? sources.named ?? dataSource : dataSource
        var values = [
            "TENANT": tenant, "FOLDER": folder, "GROUP": ruleGroup, "SOURCE": source,
            "OWN_SOURCE": sources.own ?? source,
        ]
        for board in Self.boards {
            let uid = GrafanaUID.of("board", board.name, tenant: tenant)
            values["UID"] = uid
            let dashboard = board.template.filled(values)
            objects.append(
                GrafanaObject(
                    kind: .dashboard, tenant: tenant, uid: uid, title: dashboard["title"]?.string ?? uid,
                    wanted: .map(["dashboard": dashboard, "folderUid": .string(folder)])))
        }
        return objects + rules(&values)
    }

    private func rules(_ values: inout [String: String]) -> [GrafanaObject] {
        var rules: [GrafanaObject] = []
        for entry in GrafanaTemplate.rules.filled([:])["rules"]?.array ?? [] {
            guard let name = entry["name"]?.string, let rule = entry["rule"] else {
                preconditionFailure("an alert rule of the program has a name and a rule")
            }
            let uid = GrafanaUID.of("rule", name, tenant: tenant)
            values["UID"] = uid
            let filled = GrafanaTemplate.fill(rule, values)
            rules.append(
                GrafanaObject(
                    kind: .rule, tenant: tenant, uid: uid, title: filled["title"]?.string ?? uid, wanted: filled))
        }
        return rules
    }
}
