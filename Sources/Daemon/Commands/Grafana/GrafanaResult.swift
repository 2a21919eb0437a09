import Metrics

/// What became of one thing, or would.
struct GrafanaResult: Sendable {
    enum Action: String, Sendable, CaseIterable {
        case created
        case changed
        case deleted
        case unchanged
        /// It was to be taken away, and was not there.
        case absent
        /// It was to be taken away, and is not only ours.
        case kept
        case failed

        /// Of what is only said.
        var planned: String {
            switch self {
            case .created: "to create"
            case .changed: "to change"
            case .deleted: "to delete"
            case .unchanged, .absent, .kept, .failed: rawValue
            }
        }

        /// Whether Grafana is another for it.
        var isWrite: Bool { self == .created || self == .changed || self == .deleted }
    }

    var tenant: String
    var kind: String
    var uid: String
    var title: String
    var action: Action
    var differences: [GrafanaDifference] = []
    /// Names of the secrets that a data source gets.
    var secrets: [String] = []
    /// Why it failed or was kept.
    var reason: String?

    init(
        _ object: GrafanaObject, _ action: Action, differences: [GrafanaDifference] = [], secrets: [String] = [],
        reason: String? = nil
    ) {
        tenant = object.tenant
        kind = object.kind.rawValue
        uid = object.uid
        title = object.title
        self.action = action
        self.differences = differences
        self.secrets = secrets
        self.reason = reason
    }

    /// A group of rules that could not be read.
    init(_ tenant: GrafanaTenant, group reason: String) {
        self.tenant = tenant.tenant
        kind = "rule group"
        uid = tenant.ruleGroup
        title = tenant.ruleGroup
        action = .failed
        self.reason = reason
    }

    var json: JSONValue {
        .map([
            "tenant": .string(tenant), "kind": .string(kind), "uid": .string(uid), "title": .string(title),
            "action": .string(action.rawValue),
            "differences": differences.isEmpty ? nil : .array(differences.map(\.json)),
            "secrets": secrets.isEmpty ? nil : .array(secrets.map(JSONValue.string)),
            "reason": reason.map(JSONValue.string),
        ])
    }
}

/// All results, for people and for programs.
struct GrafanaReport: Sendable {
    var results: [GrafanaResult] = []
    /// Nothing was written.
    var isPlan: Bool

    var hasFailed: Bool { results.contains { $0.action == .failed } }
    var hasWrites: Bool { results.contains(where: \.action.isWrite) }

    /// What is as it should be is only counted.
    var text: String {
        var table = TextTable([("TENANT", .left), ("", .left), ("KIND", .left), ("UID", .left), ("TITLE", .left)])
        var notes: [[String]] = []
        var isEmpty = true
        for result in results where result.action != .unchanged && result.action != .absent {
            isEmpty = false
            table.add([
                result.tenant, isPlan ? result.action.planned : result.action.rawValue, result.kind, result.uid,
                Terminal.harmless(result.title),
            ])
            notes.append(
                result.differences.map(\.text) + result.secrets.map { "secret \($0)" }
                    + [result.reason.map { Terminal.harmless($0) }].compactMap { $0 })
        }
        guard !isEmpty else { return counts }
        // Each line of the table is followed by what there is to say about it.
        let lines = table.text.split(separator: "\n")
        var text = "\(lines[0])\n"
        for (line, notes) in zip(lines.dropFirst(), notes) {
            text += "\(line)\n" + notes.map { "    \($0)\n" }.joined()
        }
        return text + counts
    }

    private var counts: String {
        let parts = GrafanaResult.Action.allCases.compactMap { action -> String? in
            let count = results.count { $0.action == action }
            return count == 0 ? nil : "\(count) \(isPlan ? action.planned : action.rawValue)"
        }
        return parts.isEmpty ? "nothing to do\n" : parts.joined(separator: ", ") + "\n"
    }

    var json: JSONValue {
        .map(["dry_run": .bool(isPlan), "objects": .array(results.map(\.json))])
    }
}
