import Metrics

/// <https://grafana.com/docs/grafana/latest/developers/http_api/alerting_provisioning/>
extension GrafanaServer {
    private static let known: Set<String> = [
        "uid", "title", "ruleGroup", "folderUID", "condition", "data", "noDataState", "execErrState", "for", "labels",
        "annotations", "isPaused", "notification_settings", "record", "keep_firing_for",
        "missing_series_evals_to_resolve",
    ]

    static func rules(
        _ request: HTTPTestServer.Request, _ parts: [String], _ body: JSONValue, _ state: inout State
    ) throws(Refusal) -> (Int, JSONValue) {
        if parts.count == 4, parts[0] == "folder", parts[2] == "rule-groups", request.method == "GET" {
            return (200, try group(parts[3], folder: parts[1], state))
        }
        guard parts.first == "alert-rules", parts.count <= 2 else { throw Refusal(404, "Not found") }
        let editable = request.headers["x-disable-provenance"] != nil
        switch (request.method, parts.count) {
        case ("POST", 1):
            let uid = try identity(body, state)
            guard state.rules[uid] == nil else {
                throw Refusal(conflict(state), "rule with this uid exists", isExpected: true)
            }
            return (201, store(uid, body, provenance: editable ? "" : "api", &state))
        case ("GET", 2):
            guard let rule = state.rules[parts[1]] else { throw Refusal(404, "", isExpected: true) }
            return (200, rule)
        case ("PUT", 2):
            guard let stored = state.rules[parts[1]] else { throw Refusal(404, "alert rule not found") }
            guard try identity(body, state) == parts[1] else { throw Refusal(400, "the uid of another") }
            try checkProvenance(stored, editable)
            return (200, store(parts[1], body, provenance: editable ? "" : "api", &state))
        case ("DELETE", 2):
            if let stored = state.rules[parts[1]] { try checkProvenance(stored, editable, isDeletion: true) }
            state.rules[parts[1]] = nil
            return (204, .null)
        default: throw Refusal(404, "Not found")
        }
    }

    private static func conflict(_ state: State) -> Int { state.behaviour.isOld ? 400 : 409 }

    private static func group(_ name: String, folder: String, _ state: State) throws(Refusal) -> JSONValue {
        // <https://github.com/grafana/grafana/issues/69512>
        guard state.folders[folder] != nil else { throw Refusal(400, "bad request data") }
        let rules = state.rules.values.filter {
            $0["folderUID"]?.string == folder && $0["ruleGroup"]?.string == name
        }
        guard !rules.isEmpty else { throw Refusal(404, "rule group does not exist", isExpected: true) }
        return .map(["title": .string(name), "folderUid": .string(folder), "interval": 60, "rules": .array(rules)])
    }

    /// A rule of a file is the file's; one of the API becomes nobody's only by being deleted.
    private static func checkProvenance(
        _ stored: JSONValue, _ editable: Bool, isDeletion: Bool = false
    ) throws(Refusal) {
        let now = stored["provenance"]?.string ?? ""
        guard now != "file", isDeletion || now.isEmpty || !editable else {
            throw Refusal(409, "cannot change provenance from '\(now)' to '\(editable ? "" : "api")'")
        }
    }

    private static func identity(_ body: JSONValue, _ state: State) throws(Refusal) -> String {
        try check(body, has: known, "a rule")
        try check(uid: body["uid"]?.string)
        guard let uid = body["uid"]?.string, let title = body["title"]?.string, !title.isEmpty, title.count <= 190
        else {
            throw Refusal(400, "invalid alert rule: title")
        }
        guard let folder = body["folderUID"]?.string, state.folders[folder] != nil else {
            throw Refusal(400, "invalid alert rule: folder does not exist")
        }
        guard let group = body["ruleGroup"]?.string, !group.isEmpty, group.count <= 190 else {
            throw Refusal(400, "invalid alert rule: group")
        }
        let isTaken = state.rules.contains { other, rule in
            other != uid && rule["folderUID"]?.string == folder && rule["title"]?.string == title
        }
        guard !isTaken else {
            throw Refusal(
                conflict(state), "a conflicting alert rule is found: titles in a folder must be unique",
                isExpected: true)
        }
        guard ["OK", "NoData", "Alerting", "KeepLast"].contains(body["noDataState"]?.string),
            ["OK", "Error", "Alerting", "KeepLast"].contains(body["execErrState"]?.string)
        else { throw Refusal(400, "invalid alert rule: state") }
        guard seconds(body["for"]?.string) != nil else { throw Refusal(400, "invalid alert rule: for") }
        for part in ["labels", "annotations"] {
            for member in body[part]?.object ?? [] {
                guard member.value.string != nil else { throw Refusal(400, "bad request data") }
            }
        }
        try checkData(body, state)
        return uid
    }

    private static func checkData(_ body: JSONValue, _ state: State) throws(Refusal) {
        let data = body["data"]?.array ?? []
        guard data.contains(where: { $0["refId"] == body["condition"] }) else {
            throw Refusal(400, "invalid alert rule: condition does not exist")
        }
        var names: Set<String> = []
        for query in data {
            try check(
                query, has: ["refId", "queryType", "relativeTimeRange", "datasourceUid", "model"], "a query")
            guard let name = query["refId"]?.string, names.insert(name).inserted,
                query["model"]?["refId"]?.string == name
            else { throw Refusal(400, "invalid alert rule: refId") }
            guard let from = query["relativeTimeRange"]?["from"]?.int, let to = query["relativeTimeRange"]?["to"]?.int
            else { throw Refusal(400, "invalid alert rule: relativeTimeRange") }
            guard let source = query["datasourceUid"]?.string else { throw Refusal(400, "invalid alert rule: source") }
            if source == "__expr__" {
                guard
                    ["reduce", "math", "threshold", "resample", "classic_conditions"].contains(
                        query["model"]?["type"]?.string)
                else { throw Refusal(400, "invalid alert rule: expression") }
                guard let other = query["model"]?["expression"]?.string, names.contains(other) else {
                    throw Refusal(400, "invalid alert rule: an expression of nothing")
                }
            } else {
                guard from > to else { throw Refusal(400, "invalid alert rule: an empty time range") }
                guard state.sources[source] != nil else { throw Refusal(400, "invalid alert rule: no data source") }
                guard query["model"]?["expr"]?.string?.isEmpty == false else { throw Refusal(400, "no expression") }
            }
        }
    }

    private static func store(
        _ uid: String, _ body: JSONValue, provenance: String, _ state: inout State
    ) -> JSONValue {
        state.number += 1
        // More comes back than may be sent, and a duration in its usual form.
        var rule = body.with("id", .int(state.number)).with("orgID", 1).with("updated", "2026-01-31T17:43:12Z")
            .with("provenance", .string(provenance)).with("for", .string(duration(seconds(body["for"]?.string) ?? 0)))
        if rule["isPaused"] == nil { rule = rule.with("isPaused", .bool(false)) }
        if rule["notification_settings"] == nil { rule = rule.with("notification_settings", .null) }
        state.rules[uid] = rule
        return rule
    }

    /// As Prometheus writes them. <https://prometheus.io/docs/prometheus/latest/configuration/configuration/>
    private static func seconds(_ text: String?) -> Int? {
        guard let text, let unit = text.last, let number = Int(text.dropLast()) else { return nil }
        let factor: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        return factor[unit].map { number * $0 }
    }

    private static func duration(_ seconds: Int) -> String {
        for (size, unit) in [(86_400, "d"), (3600, "h"), (60, "m")] where seconds > 0 && seconds.isMultiple(of: size) {
            return "\(seconds / size)\(unit)"
        }
        return "\(seconds)s"
    }
}
