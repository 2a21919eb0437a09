import Forwarder
import Metrics

/// How each kind is read, made, changed and taken away. Numbers of one Grafana, such as `id`, are never sent.
/// <https://grafana.com/docs/grafana/latest/developers/http_api/>
extension GrafanaObject {
    struct Write: Sendable {
        var method: HTTPRequest.Method
        var path: String
        var body: JSONValue
    }

    /// Answers with what is there, or 404.
    var path: String {
        switch kind {
        case .folder: "/api/folders/\(uid)"
        case .dataSource: "/api/datasources/uid/\(uid)"
        case .dashboard: "/api/dashboards/uid/\(uid)"
        case .rule: "/api/v1/provisioning/alert-rules/\(uid)"
        }
    }

    var deletionPath: String {
        switch kind {
        // Should a rule still be in it, it stays. <https://grafana.com/docs/grafana/latest/developers/http_api/folder/>
        case .folder: path + "?forceDeleteRules=false"
        case .dataSource, .dashboard, .rule: path
        }
    }

    var creation: Write {
        switch kind {
        case .folder: Write(method: .post, path: "/api/folders", body: Self.merged(.map(["uid": .string(uid)]), wanted))
        case .dataSource:
            Write(method: .post, path: "/api/datasources", body: Self.withoutNulls(withSecrets(wanted)))
        case .dashboard: saving(wanted["dashboard"] ?? .null)
        case .rule: Write(method: .post, path: "/api/v1/provisioning/alert-rules", body: wanted)
        }
    }

    /// A change that fails when somebody else has written since `stored` was read, where Grafana can tell.
    func change(of stored: GrafanaStored) -> Write {
        let version = JSONValue.map(["version": stored.version.map { .int($0) }])
        switch kind {
        case .folder: return Write(method: .put, path: path, body: Self.merged(wanted, version))
        case .dataSource:
            // What others have set beside ours stays: a PUT replaces the whole.
            let kept = JSONValue.map(["isDefault": stored.whole["isDefault"], "jsonData": stored.whole["jsonData"]])
            let body = Self.merged(Self.merged(kept, wanted), version)
            return Write(method: .put, path: path, body: Self.withoutNulls(withSecrets(body)))
        case .dashboard: return saving(Self.merged(wanted["dashboard"] ?? .null, version))
        case .rule:
            // For those who are told. What is not sent would be reset; what a version does not know, it does not answer.
            let names = ["isPaused", "notification_settings", "keep_firing_for", "missing_series_evals_to_resolve"]
            let kept = names.compactMap { name in
                stored.whole[name].flatMap { $0 == .null ? nil : JSONValue.Member(name, $0) }
            }
            return Write(method: .put, path: path, body: Self.merged(.object(kept), wanted))
        }
    }

    /// Without its folder a dashboard would move to the root; without `overwrite` another's change is not lost.
    private func saving(_ dashboard: JSONValue) -> Write {
        Write(
            method: .post, path: "/api/dashboards/db",
            body: .map([
                "dashboard": dashboard, "folderUid": wanted["folderUid"], "overwrite": .bool(false),
                "message": .string("holdfast grafana apply"),
            ]))
    }

    private func withSecrets(_ body: JSONValue) -> JSONValue {
        guard !secrets.isEmpty else { return body }
        let members = secrets.map { JSONValue.Member($0.name, .string($0.value.reveal)) }
        return Self.merged(body, .map(["secureJsonData": .object(members)]))
    }

    /// `added` over `base`, object by object.
    static func merged(_ base: JSONValue, _ added: JSONValue) -> JSONValue {
        guard case .object(var members) = base, case .object(let more) = added else { return added }
        for member in more {
            if let index = members.firstIndex(where: { $0.key == member.key }) {
                members[index].value = merged(members[index].value, member.value)
            } else {
                members.append(member)
            }
        }
        return .object(members)
    }

    /// A member that is wanted null is one that is not to be there.
    private static func withoutNulls(_ value: JSONValue) -> JSONValue {
        guard case .object(let members) = value else { return value }
        return .object(
            members.filter { $0.value != .null }.map { JSONValue.Member($0.key, withoutNulls($0.value)) })
    }
}
